/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CONFIG_H
#define _MQBUS_CONFIG_H

#include <linux/types.h>
#include <linux/mqbus.h>

struct mqbus_ns;
struct mqbus_topic;
struct mqbus_who;

int mqbus_config_check(const struct mqbus_topic_create *args, u64 *bytes);
int mqbus_config_new(struct mqbus_topic *topic, const struct mqbus_who *who,
		     const struct mqbus_topic_create *args);
int mqbus_config_set(struct mqbus_ns *ns, const struct mqbus_who *who,
		     const struct mqbus_topic_create *args);

#endif /* _MQBUS_CONFIG_H */
