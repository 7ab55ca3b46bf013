// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: its operations, and requests for one object. dump.c has the
 * lists.
 */
#include <linux/mqbus_netlink.h>
#include <net/sock.h>

#include "base/caller.h"
#include "base/compat.h"
#include "base/ns.h"
#include "ctl/dump.h"
#include "ctl/listing.h"
#include "ctl/netlink.h"
#include "ctl/netlink_policy.h"
#include "group/group.h"
#include "log/topic.h"

/**
 * struct request - a request for one object
 * @info: its attributes
 * @caller: the caller
 * @entered: the namespace that it names, with a reference, or NULL
 * @topic: the topic that it names, with a reference
 * @group: the group that it names, with a reference, or NULL
 * @part: the partition that it names
 */
struct request {
	struct genl_info *info;
	struct mqbus_caller caller;
	struct net *entered;
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	u32 part;
};

static int request_enter(struct request *req, int attr)
{
	struct net *net = mqbus_caller_enter(req->info->attrs[attr], req->info->extack);

	if (IS_ERR_OR_NULL(net))
		return PTR_ERR_OR_ZERO(net);
	req->entered = net;
	req->caller.net = net;
	return 0;
}

static int request_topic(struct request *req, int attr)
{
	struct genl_info *info = req->info;

	if (GENL_REQ_ATTR_CHECK(info, attr))
		return -EINVAL;
	req->topic = mqbus_topic_find(mqbus_ns_get(req->caller.net),
				      nla_data(info->attrs[attr]));
	if (req->topic && mqbus_listing_topic_visible(req->topic, &req->caller))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "there is no such topic, or it may not be read");
	return -ENOENT;
}

static int request_group(struct request *req, int attr)
{
	struct genl_info *info = req->info;

	if (GENL_REQ_ATTR_CHECK(info, attr))
		return -EINVAL;
	req->group = mqbus_group_find(req->topic, nla_data(info->attrs[attr]));
	if (req->group && mqbus_listing_group_visible(req->group, &req->caller))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "the topic has no such group, or it may not be read");
	return -ENOENT;
}

static int request_partition(struct request *req, int attr)
{
	struct genl_info *info = req->info;

	if (GENL_REQ_ATTR_CHECK(info, attr))
		return -EINVAL;
	req->part = nla_get_u32(info->attrs[attr]);
	if (req->part < req->topic->nr_parts) {
		req->part = array_index_nospec(req->part, req->topic->nr_parts);
		return 0;
	}
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "the topic has no partition of that number");
	return -ECHRNG;
}

static int fill_topic(struct sk_buff *skb, struct request *req)
{
	return mqbus_listing_topic(skb, req->topic, &req->caller);
}

static int fill_partition(struct sk_buff *skb, struct request *req)
{
	return mqbus_listing_partition(skb, req->topic, req->part);
}

static int fill_group(struct sk_buff *skb, struct request *req)
{
	return mqbus_listing_group(skb, req->group, req->part, &req->caller);
}

/* Answer a request unless it has failed, and put the objects that it names */
static int request_reply(struct request *req, u8 cmd, int err,
			 int (*fill)(struct sk_buff *skb, struct request *req))
{
	struct sk_buff *reply;
	void *msg;

	if (err)
		goto put;
	err = -ENOMEM;
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		goto put;
	msg = genlmsg_put_reply(reply, req->info, &mqbus_netlink_family, 0, cmd);
	err = msg ? fill(reply, req) : -EMSGSIZE;
	if (err) {
		nlmsg_free(reply);
		goto put;
	}
	genlmsg_end(reply, msg);
	err = genlmsg_reply(reply, req->info);
put:
	if (req->group)
		mqbus_group_put(req->group);
	if (req->topic)
		mqbus_topic_put(req->topic);
	if (req->entered)
		put_net(req->entered);
	return err;
}

static int topic_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = mqbus_caller_of_request(skb) };

	return request_reply(&req, MQBUS_CMD_TOPIC_GET,
			     request_enter(&req, MQBUS_A_TOPIC_NETNS) ?:
			     request_topic(&req, MQBUS_A_TOPIC_NAME), fill_topic);
}

static int partition_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = mqbus_caller_of_request(skb) };

	return request_reply(&req, MQBUS_CMD_PARTITION_GET,
			     request_enter(&req, MQBUS_A_PARTITION_NETNS) ?:
			     request_topic(&req, MQBUS_A_PARTITION_TOPIC) ?:
			     request_partition(&req, MQBUS_A_PARTITION_INDEX),
			     fill_partition);
}

static int group_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = mqbus_caller_of_request(skb) };

	return request_reply(&req, MQBUS_CMD_GROUP_GET,
			     request_enter(&req, MQBUS_A_GROUP_NETNS) ?:
			     request_topic(&req, MQBUS_A_GROUP_TOPIC) ?:
			     request_group(&req, MQBUS_A_GROUP_NAME) ?:
			     request_partition(&req, MQBUS_A_GROUP_PARTITION),
			     fill_group);
}

static int topic_get_start(struct netlink_callback *cb)
{
	return mqbus_dump_start(cb, MQBUS_A_TOPIC_NETNS);
}

static int partition_get_start(struct netlink_callback *cb)
{
	return mqbus_dump_start(cb, MQBUS_A_PARTITION_NETNS);
}

static int group_get_start(struct netlink_callback *cb)
{
	return mqbus_dump_start(cb, MQBUS_A_GROUP_NETNS);
}

static int topic_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return mqbus_dump_topics(&mqbus_netlink_family, skb, cb);
}

static int partition_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return mqbus_dump_partitions(&mqbus_netlink_family, skb, cb);
}

static int group_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return mqbus_dump_groups(&mqbus_netlink_family, skb, cb);
}

static int member_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return mqbus_dump_members(&mqbus_netlink_family, skb, cb);
}

/* One policy serves do and dump, as one request in the specification */
static_assert(sizeof(mqbus_topic_get_do_nl_policy) == sizeof(mqbus_topic_get_dump_nl_policy));
static_assert(sizeof(mqbus_partition_get_do_nl_policy) ==
	      sizeof(mqbus_partition_get_dump_nl_policy));
static_assert(sizeof(mqbus_group_get_do_nl_policy) == sizeof(mqbus_group_get_dump_nl_policy));
/* The specification cannot name constants of other headers */
static_assert(MQBUS_NAME_SIZE - 1 == 127);

static const struct genl_ops mqbus_ops[] = {
	{
		.cmd = MQBUS_CMD_TOPIC_GET,
		.doit = topic_get_doit,
		.start = topic_get_start,
		.dumpit = topic_get_dumpit,
		.done = mqbus_dump_done,
		.policy = mqbus_topic_get_do_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_topic_get_do_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_PARTITION_GET,
		.doit = partition_get_doit,
		.start = partition_get_start,
		.dumpit = partition_get_dumpit,
		.done = mqbus_dump_done,
		.policy = mqbus_partition_get_do_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_partition_get_do_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_GROUP_GET,
		.doit = group_get_doit,
		.start = group_get_start,
		.dumpit = group_get_dumpit,
		.done = mqbus_dump_done,
		.policy = mqbus_group_get_do_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_group_get_do_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_MEMBER_GET,
		.start = mqbus_dump_members_start,
		.dumpit = member_get_dumpit,
		.done = mqbus_dump_done,
		.policy = mqbus_member_get_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_member_get_nl_policy) - 1,
	},
};

static const struct genl_multicast_group mqbus_mcgrps[] = {
	{ .name = MQBUS_MCGRP_EVENTS, MQBUS_EVENTS_FLAGS },
};

struct genl_family mqbus_netlink_family __ro_after_init = {
	.name = MQBUS_FAMILY_NAME,
	.version = MQBUS_FAMILY_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = mqbus_ops,
	.n_ops = ARRAY_SIZE(mqbus_ops),
	.mcgrps = mqbus_mcgrps,
	.n_mcgrps = ARRAY_SIZE(mqbus_mcgrps),
};

/* Register the family. Return: 0 or a negative errno */
int __init mqbus_netlink_init(void)
{
	return genl_register_family(&mqbus_netlink_family);
}

/* Undo mqbus_netlink_init() */
void mqbus_netlink_uninit(void)
{
	genl_unregister_family(&mqbus_netlink_family);
}
