/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_SETTLED_H
#define _MQBUS_SETTLED_H

#include <linux/types.h>
#include <linux/mqbus.h>

struct mqbus_ns;
struct mqbus_who;

int mqbus_settled_wait(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_wait *args, bool nonblock);

#endif /* _MQBUS_SETTLED_H */
