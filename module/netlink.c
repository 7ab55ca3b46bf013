// SPDX-License-Identifier: GPL-2.0
/*
 * Listing over generic netlink. A dump goes through the topics in the order of
 * the namespace's table and remembers where it was; when the table changes
 * meanwhile its messages carry NLM_F_DUMP_INTR.
 */
#include <linux/ktime.h>
#include <linux/pid.h>
#include <net/sock.h>

#include "compat.h"
#include "group.h"
#include "member.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "ns.h"
#include "topic.h"
#include "who.h"

static struct genl_family mqbus_family __ro_after_init = {
	.name = MQBUS_FAMILY_NAME,
	.version = MQBUS_FAMILY_VERSION,
	.netnsok = true,
	.module = THIS_MODULE,
	.ops = mqbus_nl_ops,
	.n_ops = ARRAY_SIZE(mqbus_nl_ops),
};

/* Rights of netlink requests are those of the caller, and of the socket's opener. */
static struct mqbus_who request_who(struct sk_buff *request)
{
	return (struct mqbus_who) {
		.cred = current_cred(),
		.net = sock_net(NETLINK_CB(request).sk),
		.skb = request,
	};
}

static bool topic_visible(const struct mqbus_topic *topic, const struct mqbus_who *who)
{
	return uid_eq(who->cred->fsuid, topic->uid) ||
	       mqbus_who_may(who, topic->uid, topic->gid, topic->mode, MQBUS_MAY_READ);
}

static bool group_visible(const struct mqbus_group *group, const struct mqbus_who *who)
{
	return uid_eq(who->cred->fsuid, group->uid) ||
	       uid_eq(who->cred->fsuid, group->topic->uid) ||
	       mqbus_who_may(who, group->uid, group->gid, group->mode, MQBUS_MAY_READ);
}

/**
 * struct part_state - what a partition holds at one moment
 * @head: the oldest record
 * @end: behind the last
 */
struct part_state {
	struct mqbus_mark head;
	struct mqbus_mark end;
};

static struct part_state part_state(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	struct part_state state;

	mqbus_topic_expire(topic, partition);
	spin_lock(&ring->lock);
	state.head = ring->head;
	state.end.pos = ring->published;
	state.end.offset = ring->page->next_offset;
	spin_unlock(&ring->lock);
	return state;
}

static int put_topic(struct sk_buff *skb, struct mqbus_topic *topic,
		     const struct mqbus_who *who)
{
	u64 records = 0, published = 0, used = 0;
	struct user_namespace *user_ns = who->cred->user_ns;
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct part_state state = part_state(topic, i);

		records += state.end.offset - state.head.offset;
		published += state.end.offset;
		used += state.end.pos - state.head.pos;
	}
	if (nla_put_string(skb, MQBUS_A_TOPIC_NAME, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_UID, from_kuid_munged(user_ns, topic->uid)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GID, from_kgid_munged(user_ns, topic->gid)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MODE, topic->mode) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_FULL, topic->full) ||
	    (topic->per_cpu && nla_put_flag(skb, MQBUS_A_TOPIC_PER_CPU)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PARTITIONS, topic->nr_parts) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RING_SIZE, topic->ring_size,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MAX_RECORD, topic->max_record) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RETENTION, topic->retention,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_CHARGED, topic->charge.bytes,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PRODUCERS, atomic_read(&topic->producers)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GROUPS, READ_ONCE(topic->nr_groups)) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RECORDS, records, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_PUBLISHED, published, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_USED, used, MQBUS_A_TOPIC_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_partition(struct sk_buff *skb, struct mqbus_topic *topic, u32 i)
{
	struct part_state state = part_state(topic, i);

	if (nla_put_string(skb, MQBUS_A_PARTITION_TOPIC, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_PARTITION_INDEX, i) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_HEAD_OFFSET, state.head.offset,
			      MQBUS_A_PARTITION_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_NEXT_OFFSET, state.end.offset,
			      MQBUS_A_PARTITION_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_USED, state.end.pos - state.head.pos,
			      MQBUS_A_PARTITION_PAD))
		return -EMSGSIZE;
	return 0;
}

/**
 * struct group_state - a group's progress in a partition at one moment
 * @members: number of members
 * @generation: of the assignment
 * @cursor: the progress
 * @pid: the owner's, in the reader's namespace; 0: nobody owns it
 * @comm: its name
 */
struct group_state {
	u32 members;
	u32 generation;
	struct mqbus_cursor cursor;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

static void group_state(struct mqbus_group *group, u32 partition, struct group_state *state)
{
	struct mqbus_slot *slot = &group->slots[partition];

	spin_lock(&group->lock);
	state->members = group->nr_members;
	state->generation = group->generation;
	state->cursor = slot->cursor;
	state->pid = slot->owner ? pid_vnr(slot->owner->pid) : 0;
	if (slot->owner)
		memcpy(state->comm, slot->owner->comm, sizeof(state->comm));
	spin_unlock(&group->lock);
}

static int put_group(struct sk_buff *skb, struct mqbus_group *group, u32 i,
		     const struct mqbus_who *who)
{
	struct part_state part = part_state(group->topic, i);
	struct group_state state;
	u64 from;

	/* After the end was read, so that it may be ahead of it, but never negative */
	group_state(group, i, &state);
	from = max(state.cursor.done.offset, part.head.offset);
	if (nla_put_string(skb, MQBUS_A_GROUP_TOPIC, group->topic->name) ||
	    nla_put_string(skb, MQBUS_A_GROUP_NAME, group->name) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_UID,
			from_kuid_munged(who->cred->user_ns, group->uid)) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MODE, group->mode) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_TYPE, MQBUS_GROUP_STREAM) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MEMBERS, state.members) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_GENERATION, state.generation) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_PARTITION, i) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_COMMITTED, state.cursor.done.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_FETCHED, state.cursor.given.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_NEXT_OFFSET, part.end.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_LAG,
			      part.end.offset > from ? part.end.offset - from : 0,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_LOST, state.cursor.lost,
			      MQBUS_A_GROUP_PAD))
		return -EMSGSIZE;
	if (state.pid && (nla_put_u32(skb, MQBUS_A_GROUP_OWNER_PID, state.pid) ||
			  nla_put_string(skb, MQBUS_A_GROUP_OWNER_COMM, state.comm)))
		return -EMSGSIZE;
	return 0;
}

/**
 * mqbus_nl_topic_get_doit() - tell of one topic
 * @skb: the request
 * @info: its attributes
 *
 * Return: 0 or a negative errno.
 */
int mqbus_nl_topic_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct mqbus_who who = request_who(skb);
	struct mqbus_topic *topic;
	struct sk_buff *reply;
	void *msg;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MQBUS_A_TOPIC_NAME))
		return -EINVAL;
	topic = mqbus_topic_find(mqbus_ns_get(who.net),
				 nla_data(info->attrs[MQBUS_A_TOPIC_NAME]));
	if (!topic || !topic_visible(topic, &who)) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[MQBUS_A_TOPIC_NAME],
				    "there is no such topic, or it may not be read");
		err = -ENOENT;
		goto put;
	}

	err = -ENOMEM;
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		goto put;
	msg = genlmsg_put_reply(reply, info, &mqbus_family, 0, MQBUS_CMD_TOPIC_GET);
	err = msg ? put_topic(reply, topic, &who) : -EMSGSIZE;
	if (err) {
		nlmsg_free(reply);
		goto put;
	}
	genlmsg_end(reply, msg);
	err = genlmsg_reply(reply, info);
put:
	if (topic)
		mqbus_topic_put(topic);
	return err;
}

/**
 * struct dump - where a dump is, in the words of its callback
 * @bucket: of the namespace's table
 * @topic: number of the topic in the bucket
 * @group: number of the group in the topic
 * @part: number of the partition
 */
struct dump {
	long bucket;
	long topic;
	long group;
	long part;
};

/**
 * struct dump_call - one call of a dump
 * @skb: message under construction
 * @cb: the dump
 * @who: who asks
 * @cmd: what the messages are
 * @topic: only of this topic, or NULL
 * @name: only this group, or NULL
 */
struct dump_call {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	struct mqbus_who who;
	u8 cmd;
	const char *topic;
	const char *name;
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

static void *dump_begin(struct dump_call *call)
{
	void *msg = genlmsg_put(call->skb, NETLINK_CB(call->cb->skb).portid,
				call->cb->nlh->nlmsg_seq, &mqbus_family, NLM_F_MULTI,
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
	return dump_end(call, msg, put_topic(call->skb, topic, &call->who));
}

static int dump_one_partitions(struct dump_call *call, struct mqbus_topic *topic,
			       struct dump *at)
{
	int err = 0;

	for (; !err && at->part < topic->nr_parts; at->part += !err) {
		void *msg = dump_begin(call);

		if (!msg)
			return -EMSGSIZE;
		err = dump_end(call, msg, put_partition(call->skb, topic, at->part));
	}
	return err;
}

static int dump_group(struct dump_call *call, struct mqbus_group *group, struct dump *at)
{
	int err = 0;

	for (; !err && at->part < group->topic->nr_parts; at->part += !err) {
		void *msg = dump_begin(call);

		if (!msg)
			return -EMSGSIZE;
		err = dump_end(call, msg, put_group(call->skb, group, at->part, &call->who));
	}
	return err;
}

static int dump_one_groups(struct dump_call *call, struct mqbus_topic *topic,
			   struct dump *at)
{
	struct mqbus_group *group;
	long i = 0;
	int err = 0;

	mutex_lock(&topic->lock);
	list_for_each_entry(group, &topic->groups, node) {
		if (i++ < at->group)
			continue;
		if (group_visible(group, &call->who) &&
		    (!call->name || !strcmp(call->name, group->name)))
			err = dump_group(call, group, at);
		if (err)
			break;
		at->group = i;
		at->part = 0;
	}
	mutex_unlock(&topic->lock);
	return err;
}

/*
 * Go on through the topics. The namespace's lock is held meanwhile, so that the
 * numbers that say where the dump is stay true within a call.
 */
static int dump_topics(struct dump_call *call,
		       int (*one)(struct dump_call *call, struct mqbus_topic *topic,
				  struct dump *at))
{
	struct mqbus_ns *ns = mqbus_ns_get(call->who.net);
	struct dump *at = dump_of(call->cb);
	struct mqbus_topic *topic;
	int err = 0;

	mutex_lock(&ns->lock);
	call->cb->seq = ns->seq;
	for (; at->bucket < HASH_SIZE(ns->topics); at->bucket++, at->topic = 0) {
		long i = 0;

		hlist_for_each_entry(topic, &ns->topics[at->bucket], node) {
			if (i++ < at->topic)
				continue;
			if (topic_visible(topic, &call->who) &&
			    (!call->topic || !strcmp(call->topic, topic->name)))
				err = one(call, topic, at);
			if (err)
				goto unlock;
			at->topic = i;
			at->group = 0;
			at->part = 0;
		}
	}
unlock:
	mutex_unlock(&ns->lock);
	/* A full message is not an error: the next call goes on */
	return err == -EMSGSIZE && call->skb->len ? call->skb->len : err ?: call->skb->len;
}

static const char *dump_string(struct netlink_callback *cb, int attr)
{
	struct nlattr **attrs = mqbus_dump_attrs(cb);

	return attrs && attrs[attr] ? nla_data(attrs[attr]) : NULL;
}

static struct dump_call dump_call(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return (struct dump_call) {
		.skb = skb,
		.cb = cb,
		.who = request_who(cb->skb),
		.cmd = cmd,
	};
}

/**
 * mqbus_nl_topic_get_dumpit() - tell of all topics
 * @skb: message to fill
 * @cb: the dump
 *
 * Return: bytes in the message, 0 at the end, or a negative errno.
 */
int mqbus_nl_topic_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_TOPIC_GET);

	return dump_topics(&call, dump_one_topic);
}

/**
 * mqbus_nl_partition_get_dumpit() - tell of partitions
 * @skb: message to fill
 * @cb: the dump
 *
 * Return: bytes in the message, 0 at the end, or a negative errno.
 */
int mqbus_nl_partition_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_PARTITION_GET);

	call.topic = dump_string(cb, MQBUS_A_PARTITION_TOPIC);
	return dump_topics(&call, dump_one_partitions);
}

/**
 * mqbus_nl_group_get_dumpit() - tell of groups
 * @skb: message to fill
 * @cb: the dump
 *
 * Return: bytes in the message, 0 at the end, or a negative errno.
 */
int mqbus_nl_group_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_call call = dump_call(skb, cb, MQBUS_CMD_GROUP_GET);

	call.topic = dump_string(cb, MQBUS_A_GROUP_TOPIC);
	call.name = dump_string(cb, MQBUS_A_GROUP_NAME);
	return dump_topics(&call, dump_one_groups);
}

/**
 * mqbus_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int __init mqbus_netlink_init(void)
{
	return genl_register_family(&mqbus_family);
}

/**
 * mqbus_netlink_uninit() - undo mqbus_netlink_init()
 */
void mqbus_netlink_uninit(void)
{
	genl_unregister_family(&mqbus_family);
}
