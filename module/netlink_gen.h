/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	uapi/mqbus.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_MQBUS_GEN_H
#define _LINUX_MQBUS_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/mqbus_netlink.h>

/* Ops table for mqbus */
extern const struct genl_ops mqbus_nl_ops[3];

int mqbus_nl_topic_get_doit(struct sk_buff *skb, struct genl_info *info);
int mqbus_nl_topic_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int mqbus_nl_partition_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int mqbus_nl_group_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);

#endif /* _LINUX_MQBUS_GEN_H */
