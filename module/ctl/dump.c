// SPDX-License-Identifier: GPL-2.0
/*
 * Listing over generic netlink. A dump walks the topics in the order of the namespace's table
 * and remembers its position by the numbers of topics and groups, which never change. So it
 * lists each topic or group that stays once, whatever comes or goes meanwhile, and leaves out
 * new ones, so that it ends. When one comes or goes, the next message carries NLM_F_DUMP_INTR.
 *
 * While a dump fills a message it holds only the lock of the ring or group that it reads, and
 * has a reference to that.
 */
#include <linux/mqbus_netlink.h>

#include "base/caller.h"
#include "base/compat.h"
#include "base/ns.h"
#include "ctl/dump.h"
#include "ctl/listing.h"
#include "group/group.h"
#include "log/topic.h"

/* Bytes of a member's description */
#define DUMP_MEMBER	(MQBUS_PARTITIONS_MAX * nla_total_size(sizeof(u32)) + 1024)

/**
 * struct dump - what a dump lists, and its position, kept in its callback
 * @entered: the namespace that the request names, with a reference, or NULL
 * @end: topics and groups from this number on are newer than the dump
 * @bucket: of the namespace's table, where new topics come first
 * @topic: topics of the bucket from this number on are done
 * @group: groups of the topic below this number are done
 * @part: number of the next partition, or seat of the next member; for a group 0 is the
 *	group, and its partitions follow
 */
struct dump {
	struct net *entered;
	u64 end;
	u64 topic;
	u64 group;
	u32 bucket;
	u32 part;
};

/**
 * struct dump_call - one call of a dump
 * @family: of generic netlink
 * @skb: message under construction
 * @cb: the dump
 * @caller: the caller
 * @cmd: command of the messages
 * @topic: only of this topic, or NULL
 * @name: only this group, or NULL
 * @part: only this partition, or MQBUS_ANY
 */
struct dump_call {
	const struct genl_family *family;
	struct sk_buff *skb;
	struct netlink_callback *cb;
	struct mqbus_caller caller;
	u8 cmd;
	const char *topic;
	const char *name;
	u32 part;
};

/* Go on below this topic of the bucket, from its first group and partition */
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
				call->cb->nlh->nlmsg_seq, call->family, NLM_F_MULTI,
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
 * Dump a group, and then its progress in each partition. Common attributes are in the first message
 * only: they may take as many steps as there are partitions.
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
 * Find the next group to dump from the present position, with a reference; or NULL. @last: the
 * group before, with a reference of the caller; or NULL
 */
static struct mqbus_group *dump_next_group(struct dump_call *call, struct mqbus_topic *topic,
					   struct mqbus_group *last, struct dump *at)
{
	struct mqbus_group *group = last;

	mutex_lock(&topic->lock);
	/* A live group is still in the list: go on behind it */
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

/* Find the next topic of the bucket to dump, with a reference; or NULL */
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

/* Find the next topic to dump from the present position, with a reference; or NULL */
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
	/* Not the topic at the position: begin with its first group and partition */
	if (topic && topic->number + 1 != at->topic)
		dump_pass(at, topic->number + 1);
	return topic;
}

/* Dump topics until the message is full */
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
	/* A full message is no error: the next call goes on */
	return err == -EMSGSIZE && call->skb->len ? call->skb->len : err ?: call->skb->len;
}

/*
 * Begin a list: its request names a namespace by a descriptor of the task that sends it, so that
 * is taken now. @netns: the attribute. Return: 0 or a negative errno
 */
int mqbus_dump_start(struct netlink_callback *cb, int netns)
{
	struct nlattr **attrs = mqbus_dump_attrs(cb);
	struct net *net = mqbus_caller_enter(attrs ? attrs[netns] : NULL, cb->extack);

	if (IS_ERR(net))
		return PTR_ERR(net);
	dump_of(cb)->entered = net;
	return 0;
}

/* End a list, whether it was read to its end or not. Return: 0 */
int mqbus_dump_done(struct netlink_callback *cb)
{
	struct net *net = dump_of(cb)->entered;

	if (net)
		put_net(net);
	return 0;
}

static struct dump_call dump_call(const struct genl_family *family, struct sk_buff *skb,
				  struct netlink_callback *cb, u8 cmd)
{
	struct net *entered = dump_of(cb)->entered;
	struct dump_call call = {
		.family = family,
		.skb = skb,
		.cb = cb,
		.caller = mqbus_caller_of_request(cb->skb),
		.cmd = cmd,
		.part = MQBUS_ANY,
	};

	if (entered)
		call.caller.net = entered;
	return call;
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

/* Go on with a list of topics. Return: bytes in @skb, 0 at the end, or a negative errno */
int mqbus_dump_topics(const struct genl_family *family, struct sk_buff *skb,
		      struct netlink_callback *cb)
{
	struct dump_call call = dump_call(family, skb, cb, MQBUS_CMD_TOPIC_GET);

	return dump_topics(&call, dump_one_topic);
}

/* Go on with a list of the partitions of one topic, or of all. Return: as mqbus_dump_topics() */
int mqbus_dump_partitions(const struct genl_family *family, struct sk_buff *skb,
			  struct netlink_callback *cb)
{
	struct dump_call call = dump_call(family, skb, cb, MQBUS_CMD_PARTITION_GET);

	call.topic = dump_string(cb, MQBUS_A_PARTITION_TOPIC);
	call.part = dump_number(cb, MQBUS_A_PARTITION_INDEX);
	return dump_topics(&call, dump_one_partitions);
}

/*
 * Go on with a list of groups, each with its progress in each partition. Return: as
 * mqbus_dump_topics().
 */
int mqbus_dump_groups(const struct genl_family *family, struct sk_buff *skb,
		      struct netlink_callback *cb)
{
	struct dump_call call = dump_call(family, skb, cb, MQBUS_CMD_GROUP_GET);

	call.topic = dump_string(cb, MQBUS_A_GROUP_TOPIC);
	call.name = dump_string(cb, MQBUS_A_GROUP_NAME);
	call.part = dump_number(cb, MQBUS_A_GROUP_PARTITION);
	return dump_topics(&call, dump_one_groups);
}

/*
 * Begin a list of members: a message must fit as many partitions as a topic may have. Return:
 * as mqbus_dump_start().
 */
int mqbus_dump_members_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = DUMP_MEMBER;
	return mqbus_dump_start(cb, MQBUS_A_MEMBER_NETNS);
}

/* Go on with a list of members. Return: as mqbus_dump_topics() */
int mqbus_dump_members(const struct genl_family *family, struct sk_buff *skb,
		       struct netlink_callback *cb)
{
	struct dump_call call = dump_call(family, skb, cb, MQBUS_CMD_MEMBER_GET);

	call.topic = dump_string(cb, MQBUS_A_MEMBER_TOPIC);
	call.name = dump_string(cb, MQBUS_A_MEMBER_GROUP);
	return dump_topics(&call, dump_one_groups);
}
