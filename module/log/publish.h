/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_PUBLISH_H
#define _MQBUS_PUBLISH_H

#include <linux/types.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

struct mqbus_producer;

int mqbus_publish_batch(struct mqbus_producer *producer, struct mqbus_publish *args,
			bool nonblock);
ssize_t mqbus_publish_value(struct mqbus_producer *producer, struct iov_iter *from,
			    bool nonblock);

#endif /* _MQBUS_PUBLISH_H */
