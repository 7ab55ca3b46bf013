/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CONFIG_H
#define _MQBUS_CONFIG_H

#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/mqbus.h>

struct mqbus_topic;
struct mqbus_caller;

int mqbus_config_check(const struct mqbus_topic_create *args, u64 *bytes);
int mqbus_config_check_fields(const struct mqbus_topic_create *args, u32 fields);
int mqbus_config_owner(const struct mqbus_caller *caller, const u32 *new_uid, const u32 *new_gid,
		       kuid_t *uid, kgid_t *gid);
void mqbus_config_apply(struct mqbus_topic *topic, const struct mqbus_topic_create *args,
			u32 fields);

#endif /* _MQBUS_CONFIG_H */
