// SPDX-License-Identifier: GPL-2.0
/*
 * Listing over generic netlink. A dump goes through the topics in the order of
 * the namespace's table and remembers where it was, by the numbers that topics and
 * groups keep; so each that stays is there once, whatever comes or goes meanwhile, and
 * what comes is left out, so that the dump ends. When something comes or goes, the next
 * message carries NLM_F_DUMP_INTR.
 *
 * A dump holds no lock while it fills a message, but for those of the one ring or group
 * that it looks at, and has a reference to this.
 */
#include <linux/mqbus_netlink.h>
#include <net/sock.h>

#include "base/compat.h"
#include "base/ns.h"
#include "base/caller.h"
#include "ctl/listing.h"
#include "ctl/netlink.h"
#include "ctl/netlink_policy.h"
#include "group/group.h"
#include "log/topic.h"

/* Bytes of a description of a member */
#define NETLINK_MEMBER	(MQBUS_PARTITIONS_MAX * nla_total_size(sizeof(u32)) + 1024)

/* Rights of netlink requests are those of the caller, and of the socket's opener. */
static struct mqbus_caller request_caller(struct sk_buff *request)
{
	return (struct mqbus_caller) {
		.cred = current_cred(),
		.net = sock_net(NETLINK_CB(request).sk),
		.skb = request,
	};
}

/**
 * struct request - a request for one thing
 * @info: its attributes
 * @caller: who asks
 * @topic: the topic that it names, with a reference
 * @group: the group that it names, with a reference, or NULL
 * @part: the partition that it names
 */
struct request {
	struct genl_info *info;
	struct mqbus_caller caller;
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	u32 part;
};

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

/* Answer a request, unless it failed already, and let go of what it names. */
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
	return err;
}

static int topic_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = request_caller(skb) };

	return request_reply(&req, MQBUS_CMD_TOPIC_GET,
			     request_topic(&req, MQBUS_A_TOPIC_NAME), fill_topic);
}

static int partition_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = request_caller(skb) };

	return request_reply(&req, MQBUS_CMD_PARTITION_GET,
			     request_topic(&req, MQBUS_A_PARTITION_TOPIC) ?:
			     request_partition(&req, MQBUS_A_PARTITION_INDEX),
			     fill_partition);
}

static int group_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct request req = { .info = info, .caller = request_caller(skb) };

	return request_reply(&req, MQBUS_CMD_GROUP_GET,
			     request_topic(&req, MQBUS_A_GROUP_TOPIC) ?:
			     request_group(&req, MQBUS_A_GROUP_NAME) ?:
			     request_partition(&req, MQBUS_A_GROUP_PARTITION),
			     fill_group);
}

/**
 * struct dump - where a dump is, in the words of its callback
 * @end: topics and groups from this number on came since it began
 * @bucket: of the namespace's table, in which new topics are first
 * @topic: topics of the bucket from this number on are over
 * @group: groups of the topic below this number are over
 * @part: number of the partition, or the seat of the next member; of a group 0 is the
 *	group, and then come the partitions
 */
struct dump {
	u64 end;
	u64 topic;
	u64 group;
	u32 bucket;
	u32 part;
};

/**
 * struct dump_call - one call of a dump
 * @skb: message under construction
 * @cb: the dump
 * @caller: who asks
 * @cmd: what the messages are
 * @topic: only of this topic, or NULL
 * @name: only this group, or NULL
 * @part: only this partition, or MQBUS_ANY
 */
struct dump_call {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	struct mqbus_caller caller;
	u8 cmd;
	const char *topic;
	const char *name;
	u32 part;
};

/* Topics of the bucket from this number on are over, and nothing of the next one is. */
static void dump_pass(struct dump *at, u64 topic)
{
	at->topic = topic;
	at->group = 0;
	at->part = 0;
}

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

static void *dump_begin(struct dump_call *call)
{
	void *msg = genlmsg_put(call->skb, NETLINK_CB(call->cb->skb).portid,
				call->cb->nlh->nlmsg_seq, &mqbus_netlink_family, NLM_F_MULTI,
				call->cmd);

	if (msg)
		genl_dump_check_consistent(call->cb, msg);
	return msg;
}

static int dump_end(struct dump_call *call, void *msg, int err)
{
	if (err)
		genlmsg_cancel(call->skb, msg);
	else
		genlmsg_end(call->skb, msg);
	return err;
}

static int dump_one_topic(struct dump_call *call, struct mqbus_topic *topic,
			  struct dump *at)
{
	void *msg = dump_begin(call);

	if (!msg)
		return -EMSGSIZE;
	return dump_end(call, msg, mqbus_listing_topic(call->skb, topic, &call->caller));
}

static bool dump_wants(const struct dump_call *call, u32 part)
{
	return call->part == MQBUS_ANY || call->part == part;
}

static int dump_one_partitions(struct dump_call *call, struct mqbus_topic *topic,
			       struct dump *at)
{
	int err = 0;

	for (; !err && at->part < topic->nr_parts; at->part += !err) {
		void *msg;

		if (!dump_wants(call, at->part))
			continue;
		msg = dump_begin(call);
		if (!msg)
			return -EMSGSIZE;
		err = dump_end(call, msg, mqbus_listing_partition(call->skb, topic, at->part));
	}
	return err;
}

/*
 * A group, and then its progress in each partition. What is the same in all is told once:
 * it may take as many steps as there are partitions.
 */
static int dump_group(struct dump_call *call, struct mqbus_group *group, struct dump *at)
{
	u32 nr = group->topic->nr_parts;
	int err = 0;

	if (call->part != MQBUS_ANY && call->part >= nr)
		return 0;
	for (; !err && at->part <= nr; at->part += !err) {
		void *msg;

		if (at->part && !dump_wants(call, at->part - 1))
			continue;
		msg = dump_begin(call);
		if (!msg)
			return -EMSGSIZE;
		err = at->part ? mqbus_listing_group(call->skb, group, at->part - 1, NULL) :
				 mqbus_listing_group(call->skb, group, MQBUS_ANY, &call->caller);
		dump_end(call, msg, err);
	}
	return err;
}

static int dump_members(struct dump_call *call, struct mqbus_group *group, struct dump *at)
{
	int ret;

	do {
		bool alone = !call->skb->len;
		u32 seat = at->part;
		void *msg = dump_begin(call);

		if (!msg)
			return -EMSGSIZE;
		ret = mqbus_listing_member(call->skb, group, &seat, &call->caller, alone);
		dump_end(call, msg, ret == 1 ? 0 : -ENOENT);
		if (ret == 1)
			at->part = seat + 1;
	} while (ret == 1);
	return ret;
}

/*
 * The next group that is asked for, from where the dump is, with a reference; or NULL.
 * @last: the one before, of which the caller has one, or NULL
 */
static struct mqbus_group *dump_next_group(struct dump_call *call, struct mqbus_topic *topic,
					   struct mqbus_group *last, struct dump *at)
{
	struct mqbus_group *group = last;

	mutex_lock(&topic->lock);
	/* One that is not dead is still in the list, which need not be gone through again */
	if (!group || READ_ONCE(group->dead))
		group = list_entry(&topic->readers, struct mqbus_group, reader.node);
	list_for_each_entry_continue(group, &topic->readers, reader.node) {
		if (group->number < at->group || group->number >= at->end ||
		    !mqbus_listing_group_visible(group, &call->caller) ||
		    (call->name && strcmp(call->name, group->name)))
			continue;
		kref_get(&group->ref);
		goto unlock;
	}
	group = NULL;
unlock:
	mutex_unlock(&topic->lock);
	return group;
}

static int dump_one_groups(struct dump_call *call, struct mqbus_topic *topic,
			   struct dump *at)
{
	struct mqbus_group *group, *last = NULL;
	int err = 0;

	while (!err && (group = dump_next_group(call, topic, last, at))) {
		if (last)
			mqbus_group_put(last);
		last = group;
		if (group->number != at->group) {
			at->group = group->number;
			at->part = 0;
		}
		err = call->cmd == MQBUS_CMD_MEMBER_GET ? dump_members(call, group, at) :
							  dump_group(call, group, at);
		if (!err) {
			at->group++;
			at->part = 0;
		}
	}
	if (last)
		mqbus_group_put(last);
	return err;
}

/* The next topic of the bucket that is asked for, with a reference; or NULL. */
static struct mqbus_topic *dump_next_of(struct dump_call *call, struct mqbus_ns *ns,
					const struct dump *at)
{
	struct mqbus_topic *topic;

	mutex_lock(&ns->lock);
	call->cb->seq = atomic_read(&ns->seq);
	hlist_for_each_entry(topic, &ns->topics[at->bucket], node) {
		if (topic->number >= at->topic || mqbus_topic_dead(topic) ||
		    !mqbus_listing_topic_visible(topic, &call->caller) ||
		    (call->topic && strcmp(call->topic, topic->name)))
			continue;
		kref_get(&topic->ref);
		goto unlock;
	}
	topic = NULL;
unlock:
	mutex_unlock(&ns->lock);
	return topic;
}

/* The next topic that is asked for, from where the dump is, with a reference; or NULL. */
static struct mqbus_topic *dump_next(struct dump_call *call, struct mqbus_ns *ns,
				     struct dump *at)
{
	struct mqbus_topic *topic = NULL;
	u32 only = 0;

	if (call->topic)
		only = hash_min(mqbus_topic_hash(call->topic), HASH_BITS(ns->topics));
	for (; at->bucket < HASH_SIZE(ns->topics); at->bucket++, dump_pass(at, at->end)) {
		if (!call->topic || at->bucket == only)
			topic = dump_next_of(call, ns, at);
		if (topic)
			break;
	}
	/* Not the one that it was at, if that has gone */
	if (topic && topic->number + 1 != at->topic)
		dump_pass(at, topic->number + 1);
	return topic;
}

/* Go on through the topics. */
static int dump_topics(struct dump_call *call,
		       int (*one)(struct dump_call *call, struct mqbus_topic *topic,
				  struct dump *at))
{
	struct mqbus_ns *ns = mqbus_ns_get(call->caller.net);
	struct dump *at = dump_of(call->cb);
	struct mqbus_topic *topic;
	int err = 0;

	if (!at->end) {
		at->end = atomic64_read(&ns->made) + 1;
		dump_pass(at, at->end);
	}
	while (!err && (topic = dump_next(call, ns, at))) {
		err = one(call, topic, at);
		if (!err)
			dump_pass(at, topic->number);
		mqbus_topic_put(topic);
	}
	/* A full message is not an error: the next call goes on */
	return err == -EMSGSIZE && call->skb->len ? call->skb->len : err ?: call->skb->len;
}

static struct dump_call dump_call(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return (struct dump_call) {
		.skb = skb,
		.cb = cb,
		.caller = request_caller(cb->skb),
		.cmd = cmd,
		.part = MQBUS_ANY,
	};
}

static const char *dump_string(struct netlink_callback *cb, int attr)
{
	struct nlattr **attrs = mqbus_dump_attrs(cb);

	return attrs && attrs[attr] ? nla_data(attrs[attr]) : NULL;
}

static u32 dump_number(struct netlink_callback *cb, int attr)
{
	struct nlattr **attrs = mqbus_dump_attrs(cb);

	return attrs && attrs[attr] ? nla_get_u32(attrs[attr]) : MQBUS_ANY;
}

static int topic_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_TOPIC_GET);

	return dump_topics(&call, dump_one_topic);
}

static int partition_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_PARTITION_GET);

	call.topic = dump_string(cb, MQBUS_A_PARTITION_TOPIC);
	call.part = dump_number(cb, MQBUS_A_PARTITION_INDEX);
	return dump_topics(&call, dump_one_partitions);
}

static int group_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_GROUP_GET);

	call.topic = dump_string(cb, MQBUS_A_GROUP_TOPIC);
	call.name = dump_string(cb, MQBUS_A_GROUP_NAME);
	call.part = dump_number(cb, MQBUS_A_GROUP_PARTITION);
	return dump_topics(&call, dump_one_groups);
}

/* So that as many partitions as a topic may have fit into a message. */
static int member_get_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = NETLINK_MEMBER;
	return 0;
}

static int member_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_MEMBER_GET);

	call.topic = dump_string(cb, MQBUS_A_MEMBER_TOPIC);
	call.name = dump_string(cb, MQBUS_A_MEMBER_GROUP);
	return dump_topics(&call, dump_one_groups);
}

/* Doing and dumping have one policy, as one request in the specification */
static_assert(sizeof(mqbus_partition_get_do_nl_policy) ==
	      sizeof(mqbus_partition_get_dump_nl_policy));
static_assert(sizeof(mqbus_group_get_do_nl_policy) == sizeof(mqbus_group_get_dump_nl_policy));
/* The specification has no names for numbers of other headers */
static_assert(MQBUS_NAME_SIZE - 1 == 127);

static const struct genl_ops mqbus_ops[] = {
	{
		.cmd = MQBUS_CMD_TOPIC_GET,
		.doit = topic_get_doit,
		.dumpit = topic_get_dumpit,
		.policy = mqbus_topic_get_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_topic_get_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_PARTITION_GET,
		.doit = partition_get_doit,
		.dumpit = partition_get_dumpit,
		.policy = mqbus_partition_get_do_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_partition_get_do_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_GROUP_GET,
		.doit = group_get_doit,
		.dumpit = group_get_dumpit,
		.policy = mqbus_group_get_do_nl_policy,
		.maxattr = ARRAY_SIZE(mqbus_group_get_do_nl_policy) - 1,
	}, {
		.cmd = MQBUS_CMD_MEMBER_GET,
		.start = member_get_start,
		.dumpit = member_get_dumpit,
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

/**
 * mqbus_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int __init mqbus_netlink_init(void)
{
	return genl_register_family(&mqbus_netlink_family);
}

/**
 * mqbus_netlink_uninit() - undo mqbus_netlink_init()
 */
void mqbus_netlink_uninit(void)
{
	genl_unregister_family(&mqbus_netlink_family);
}
