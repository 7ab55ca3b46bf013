// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Events
 *
 * Events are sent to the multicast group "events" of their network namespace, if it has
 * listeners. Many happen under a spinlock, and a message may go to many
 * sockets; so a message is only built there, without sleeping, and queued. A work of the
 * namespace sends queued messages, in order, to the listeners that may read them.
 *
 * The queue is bounded. When it is full, or there is no memory, all listeners get
 * ENOBUFS, as a listener whose own socket is full does from netlink.
 */
#include <linux/ktime.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "base/compat.h"
#include "base/event.h"
#include "base/ns.h"

/* Events of a namespace that may be queued */
#define EVENT_QUEUE	1024
/* Three names, a comm, a reason and the numbers; asserted by event_put() */
#define EVENT_SIZE	768

/* Attributes of the kinds, beyond the names and the member or producer */
enum event_field {
	HAS_PARTITION	= BIT(0),
	HAS_OFFSET	= BIT(1),
	HAS_COUNT	= BIT(2),
	HAS_REASON	= BIT(3),
	HAS_GENERATION	= BIT(4),
	HAS_LAG		= BIT(5),
	HAS_BLOCKED	= BIT(6),
};

static const u8 event_fields[] = {
	[MQBUS_EVENT_KIND_MEMBER_LEFT] = HAS_COUNT,
	[MQBUS_EVENT_KIND_MEMBER_DIED] = HAS_COUNT,
	[MQBUS_EVENT_KIND_REBALANCED] = HAS_COUNT | HAS_GENERATION,
	[MQBUS_EVENT_KIND_DEAD_LETTER] = HAS_PARTITION | HAS_OFFSET | HAS_REASON,
	[MQBUS_EVENT_KIND_LOST] = HAS_PARTITION | HAS_COUNT,
	[MQBUS_EVENT_KIND_LAG_ABOVE] = HAS_LAG,
	[MQBUS_EVENT_KIND_LAG_BELOW] = HAS_LAG,
	[MQBUS_EVENT_KIND_PRODUCER_BLOCKED] = HAS_PARTITION | HAS_REASON | HAS_BLOCKED,
};

/**
 * struct event_for - readers of an event, in its message's control block
 * @topic: owner of the topic
 * @group: owner of the group, if there is one
 * @all: everybody may read the topic
 * @all_group: and the group, or there is none
 */
struct event_for {
	kuid_t topic;
	kuid_t group;
	bool all;
	bool all_group;
};

static struct workqueue_struct *event_wq;
static const struct genl_family *event_family;

/* Whether there are listeners, even if none may read the event: else skip building it */
bool mqbus_event_heard(const struct mqbus_ns *ns)
{
	return genl_has_listeners(event_family, ns->net, 0) > 0;
}

static int event_put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_EVENT_PAD);
}

static int event_put_caller(struct sk_buff *skb, const struct mqbus_event *e)
{
	struct user_namespace *ns = e->ns->net->user_ns;

	if ((e->group.name &&
	     nla_put_string(skb, MQBUS_A_EVENT_GROUP, e->group.name)) ||
	    (e->id && *e->id && nla_put_string(skb, MQBUS_A_EVENT_MEMBER, e->id)))
		return -EMSGSIZE;
	if (!e->comm)
		return 0;
	if (nla_put_u32(skb, MQBUS_A_EVENT_PID, e->pid) ||
	    nla_put_string(skb, MQBUS_A_EVENT_COMM, e->comm) ||
	    nla_put_u32(skb, MQBUS_A_EVENT_UID, from_kuid_munged(ns, e->uid)))
		return -EMSGSIZE;
	return 0;
}

static int event_put(struct sk_buff *skb, const struct mqbus_event *e)
{
	u8 has = e->kind < ARRAY_SIZE(event_fields) ? event_fields[e->kind] : 0;

	if (nla_put_u32(skb, MQBUS_A_EVENT_KIND, e->kind) ||
	    event_put_u64(skb, MQBUS_A_EVENT_TIME, ktime_get_real_ns()) ||
	    nla_put_string(skb, MQBUS_A_EVENT_TOPIC, e->topic.name) ||
	    event_put_caller(skb, e))
		return -EMSGSIZE;
	if ((has & HAS_PARTITION && nla_put_u32(skb, MQBUS_A_EVENT_PARTITION, e->partition)) ||
	    (has & HAS_OFFSET && event_put_u64(skb, MQBUS_A_EVENT_OFFSET, e->offset)) ||
	    (has & HAS_COUNT && event_put_u64(skb, MQBUS_A_EVENT_COUNT, e->count)) ||
	    (has & HAS_REASON && nla_put_string(skb, MQBUS_A_EVENT_REASON, e->reason)) ||
	    (has & HAS_GENERATION &&
	     nla_put_u32(skb, MQBUS_A_EVENT_GENERATION, e->generation)) ||
	    (has & HAS_LAG && (event_put_u64(skb, MQBUS_A_EVENT_LAG, e->lag) ||
			       event_put_u64(skb, MQBUS_A_EVENT_LIMIT, e->limit))) ||
	    (has & HAS_BLOCKED &&
	     event_put_u64(skb, MQBUS_A_EVENT_BLOCKED_TIME, e->blocked_time)))
		return -EMSGSIZE;
	return 0;
}

static struct sk_buff *event_build(const struct mqbus_event *e)
{
	struct sk_buff *skb = genlmsg_new(EVENT_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	struct event_for *to;
	void *msg;

	if (!skb)
		return NULL;
	msg = genlmsg_put(skb, 0, 0, event_family, 0, MQBUS_CMD_EVENT);
	if (WARN_ON_ONCE(!msg || event_put(skb, e))) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, msg);
	BUILD_BUG_ON(sizeof(*to) > sizeof(skb->cb));
	to = (struct event_for *)skb->cb;
	to->topic = e->topic.uid;
	to->all = e->topic.mode & 0004;
	to->group = e->group.name ? e->group.uid : to->topic;
	to->all_group = !e->group.name || e->group.mode & 0004;
	return skb;
}

/* Report an event to listeners. In process context, with any locks held. */
void mqbus_event_report(const struct mqbus_event *e)
{
	struct mqbus_events *events = &e->ns->events;
	struct sk_buff *skb = NULL;

	if (!mqbus_event_heard(e->ns))
		return;
	/* Concurrent callers may exceed the limit a little */
	if (skb_queue_len_lockless(&events->queue) < EVENT_QUEUE)
		skb = event_build(e);
	if (skb)
		skb_queue_tail(&events->queue, skb);
	else
		WRITE_ONCE(events->lost, true);
	queue_work(event_wq, &events->work);
}

/* Whether a socket must not get an event. Called under netlink's locks. */
static int event_filter(struct sock *sk, struct sk_buff *skb, void *data)
{
	const struct event_for *to = data;
	kuid_t uid = mqbus_sock_uid(sk);
	bool owns = uid_eq(uid, to->topic);

	if (uid_eq(uid, GLOBAL_ROOT_UID) || uid_eq(uid, make_kuid(sock_net(sk)->user_ns, 0)))
		return 0;
	return !((owns || to->all) && (owns || to->all_group || uid_eq(uid, to->group)));
}

static void event_run(struct work_struct *work)
{
	struct mqbus_ns *ns = container_of(work, struct mqbus_ns, events.work);
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&ns->events.queue))) {
		/* netlink needs the control block */
		struct event_for to = *(struct event_for *)skb->cb;

		memset(skb->cb, 0, sizeof(skb->cb));
		mqbus_multicast_filtered(event_family, ns->net, skb, event_filter, &to,
					 to.all && to.all_group);
		cond_resched();
	}
	/* After the events that came before the lost ones */
	if (xchg(&ns->events.lost, false))
		genl_set_err(event_family, ns->net, 0, 0, -ENOBUFS);
}

void mqbus_event_ns_init(struct mqbus_ns *ns)
{
	skb_queue_head_init(&ns->events.queue);
	INIT_WORK(&ns->events.work, event_run);
	ns->events.lost = false;
}

/* Undo mqbus_event_ns_init(), after the last event of the namespace */
void mqbus_event_ns_exit(struct mqbus_ns *ns)
{
	cancel_work_sync(&ns->events.work);
	skb_queue_purge(&ns->events.queue);
}

/* @family: registered before the first event */
int __init mqbus_event_setup(const struct genl_family *family)
{
	event_family = family;
	event_wq = alloc_workqueue("mqbus_event", WQ_UNBOUND, 0);
	return event_wq ? 0 : -ENOMEM;
}

/* Sends queued messages, so the family must still be registered */
void mqbus_event_cleanup(void)
{
	destroy_workqueue(event_wq);
}
