/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_DUMP_H
#define _MQBUS_DUMP_H

struct genl_family;
struct netlink_callback;
struct sk_buff;

int mqbus_dump_start(struct netlink_callback *cb, int netns);
int mqbus_dump_done(struct netlink_callback *cb);
int mqbus_dump_topics(const struct genl_family *family, struct sk_buff *skb,
		      struct netlink_callback *cb);
int mqbus_dump_partitions(const struct genl_family *family, struct sk_buff *skb,
			  struct netlink_callback *cb);
int mqbus_dump_groups(const struct genl_family *family, struct sk_buff *skb,
		      struct netlink_callback *cb);
int mqbus_dump_members_start(struct netlink_callback *cb);
int mqbus_dump_members(const struct genl_family *family, struct sk_buff *skb,
		       struct netlink_callback *cb);

#endif /* _MQBUS_DUMP_H */
