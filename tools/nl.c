// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <linux/mqbus_netlink.h>

#include "nl.h"

#define ATTR_MAX 32

/**
 * struct nl_query - a request and what has come of it
 * @cmd: MQBUS_CMD_*
 * @flags: NLM_F_DUMP or 0
 * @attr: number of the attributes sent, 0 at the end
 * @value: their values; NULL leaves one out
 * @decode: fills one element from a message
 * @size: bytes of an element
 * @items: the elements
 * @n: their number
 * @error: negative errno, or 0
 */
struct nl_query {
	int cmd;
	int flags;
	int attr[2];
	const char *value[2];
	void (*decode)(struct nlattr **tb, void *item);
	size_t size;
	char *items;
	size_t n;
	int error;
};

static __u32 get_u32(struct nlattr *a)
{
	return a ? nla_get_u32(a) : 0;
}

static __u64 get_u64(struct nlattr *a)
{
	return a ? nla_get_u64(a) : 0;
}

static void get_string(char *dst, struct nlattr *a, size_t size)
{
	if (a)
		nla_strlcpy(dst, a, size);
}

static void decode_topic(struct nlattr **tb, void *item)
{
	struct nl_topic *t = item;

	get_string(t->name, tb[MQBUS_A_TOPIC_NAME], sizeof(t->name));
	t->uid = get_u32(tb[MQBUS_A_TOPIC_UID]);
	t->gid = get_u32(tb[MQBUS_A_TOPIC_GID]);
	t->mode = get_u32(tb[MQBUS_A_TOPIC_MODE]);
	t->full = get_u32(tb[MQBUS_A_TOPIC_FULL]);
	t->per_cpu = !!tb[MQBUS_A_TOPIC_PER_CPU];
	t->partitions = get_u32(tb[MQBUS_A_TOPIC_PARTITIONS]);
	t->ring_size = get_u64(tb[MQBUS_A_TOPIC_RING_SIZE]);
	t->max_record = get_u32(tb[MQBUS_A_TOPIC_MAX_RECORD]);
	t->retention = get_u64(tb[MQBUS_A_TOPIC_RETENTION]);
	t->charged = get_u64(tb[MQBUS_A_TOPIC_CHARGED]);
	t->producers = get_u32(tb[MQBUS_A_TOPIC_PRODUCERS]);
	t->groups = get_u32(tb[MQBUS_A_TOPIC_GROUPS]);
	t->records = get_u64(tb[MQBUS_A_TOPIC_RECORDS]);
	t->published = get_u64(tb[MQBUS_A_TOPIC_PUBLISHED]);
	t->used = get_u64(tb[MQBUS_A_TOPIC_USED]);
	t->retention_size = get_u64(tb[MQBUS_A_TOPIC_RETENTION_SIZE]);
	t->rate = get_u64(tb[MQBUS_A_TOPIC_RATE]);
	t->rate_bytes = get_u64(tb[MQBUS_A_TOPIC_RATE_BYTES]);
	t->user_rate = get_u64(tb[MQBUS_A_TOPIC_USER_RATE]);
	t->user_rate_bytes = get_u64(tb[MQBUS_A_TOPIC_USER_RATE_BYTES]);
	t->burst = get_u64(tb[MQBUS_A_TOPIC_BURST]);
	t->share = get_u32(tb[MQBUS_A_TOPIC_SHARE]);
	t->over = get_u32(tb[MQBUS_A_TOPIC_OVER]);
}

static void decode_partition(struct nlattr **tb, void *item)
{
	struct nl_partition *p = item;

	get_string(p->topic, tb[MQBUS_A_PARTITION_TOPIC], sizeof(p->topic));
	p->index = get_u32(tb[MQBUS_A_PARTITION_INDEX]);
	p->head_offset = get_u64(tb[MQBUS_A_PARTITION_HEAD_OFFSET]);
	p->next_offset = get_u64(tb[MQBUS_A_PARTITION_NEXT_OFFSET]);
	p->used = get_u64(tb[MQBUS_A_PARTITION_USED]);
}

static void decode_queue(struct nlattr *nest, struct nl_queue *q)
{
	struct nlattr *tb[MQBUS_A_QUEUE_MAX + 1];

	if (!nest || nla_parse_nested(tb, MQBUS_A_QUEUE_MAX, nest, NULL) < 0)
		return;
	q->flags = get_u32(tb[MQBUS_A_QUEUE_FLAGS]);
	q->max_inflight = get_u32(tb[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	q->credit = get_u32(tb[MQBUS_A_QUEUE_CREDIT]);
	q->limit = get_u32(tb[MQBUS_A_QUEUE_LIMIT]);
	q->lease = get_u64(tb[MQBUS_A_QUEUE_LEASE]);
	q->backoff_min = get_u64(tb[MQBUS_A_QUEUE_BACKOFF_MIN]);
	q->backoff_max = get_u64(tb[MQBUS_A_QUEUE_BACKOFF_MAX]);
	q->backoff_factor = get_u32(tb[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	q->backoff_jitter = get_u32(tb[MQBUS_A_QUEUE_BACKOFF_JITTER]);
	q->retry_size = get_u64(tb[MQBUS_A_QUEUE_RETRY_SIZE]);
	get_string(q->dlq, tb[MQBUS_A_QUEUE_DLQ], sizeof(q->dlq));
	q->charged = get_u64(tb[MQBUS_A_QUEUE_CHARGED]);
	q->inflight = get_u32(tb[MQBUS_A_QUEUE_INFLIGHT]);
	q->leased = get_u32(tb[MQBUS_A_QUEUE_LEASED]);
	q->held = get_u32(tb[MQBUS_A_QUEUE_HELD]);
	q->retrying = get_u32(tb[MQBUS_A_QUEUE_RETRYING]);
	q->retry_used = get_u64(tb[MQBUS_A_QUEUE_RETRY_USED]);
	q->dlq_blocked = get_u32(tb[MQBUS_A_QUEUE_DLQ_BLOCKED]);
	q->delivered = get_u64(tb[MQBUS_A_QUEUE_DELIVERED]);
	q->redelivered = get_u64(tb[MQBUS_A_QUEUE_REDELIVERED]);
	q->acked = get_u64(tb[MQBUS_A_QUEUE_ACKED]);
	q->nacked = get_u64(tb[MQBUS_A_QUEUE_NACKED]);
	q->released = get_u64(tb[MQBUS_A_QUEUE_RELEASED]);
	q->rejected = get_u64(tb[MQBUS_A_QUEUE_REJECTED]);
	q->extended = get_u64(tb[MQBUS_A_QUEUE_EXTENDED]);
	q->expired = get_u64(tb[MQBUS_A_QUEUE_EXPIRED]);
	q->died = get_u64(tb[MQBUS_A_QUEUE_DIED]);
	q->deaths = get_u32(tb[MQBUS_A_QUEUE_DEATHS]);
	q->dead_lettered = get_u64(tb[MQBUS_A_QUEUE_DEAD_LETTERED]);
	q->discarded = get_u64(tb[MQBUS_A_QUEUE_DISCARDED]);
}

static void decode_group(struct nlattr **tb, void *item)
{
	struct nl_group *g = item;

	get_string(g->topic, tb[MQBUS_A_GROUP_TOPIC], sizeof(g->topic));
	get_string(g->name, tb[MQBUS_A_GROUP_NAME], sizeof(g->name));
	g->uid = get_u32(tb[MQBUS_A_GROUP_UID]);
	g->mode = get_u32(tb[MQBUS_A_GROUP_MODE]);
	g->type = get_u32(tb[MQBUS_A_GROUP_TYPE]);
	g->members = get_u32(tb[MQBUS_A_GROUP_MEMBERS]);
	g->generation = get_u32(tb[MQBUS_A_GROUP_GENERATION]);
	g->partition = get_u32(tb[MQBUS_A_GROUP_PARTITION]);
	g->committed = get_u64(tb[MQBUS_A_GROUP_COMMITTED]);
	g->fetched = get_u64(tb[MQBUS_A_GROUP_FETCHED]);
	g->next_offset = get_u64(tb[MQBUS_A_GROUP_NEXT_OFFSET]);
	g->lag = get_u64(tb[MQBUS_A_GROUP_LAG]);
	g->lost = get_u64(tb[MQBUS_A_GROUP_LOST]);
	g->owner_pid = get_u32(tb[MQBUS_A_GROUP_OWNER_PID]);
	get_string(g->owner_comm, tb[MQBUS_A_GROUP_OWNER_COMM], sizeof(g->owner_comm));
	g->paused = !!tb[MQBUS_A_GROUP_PAUSED];
	g->revoking = !!tb[MQBUS_A_GROUP_REVOKING];
	g->rebalance_timeout = get_u64(tb[MQBUS_A_GROUP_REBALANCE_TIMEOUT]);
	g->grace = get_u64(tb[MQBUS_A_GROUP_GRACE]);
	decode_queue(tb[MQBUS_A_GROUP_QUEUE], &g->queue);
}

static void decode_member(struct nlattr **tb, void *item)
{
	struct nl_member *m = item;

	get_string(m->topic, tb[MQBUS_A_MEMBER_TOPIC], sizeof(m->topic));
	get_string(m->group, tb[MQBUS_A_MEMBER_GROUP], sizeof(m->group));
	get_string(m->id, tb[MQBUS_A_MEMBER_ID], sizeof(m->id));
	m->state = get_u32(tb[MQBUS_A_MEMBER_STATE]);
	m->pid = get_u32(tb[MQBUS_A_MEMBER_PID]);
	get_string(m->comm, tb[MQBUS_A_MEMBER_COMM], sizeof(m->comm));
	m->uid = get_u32(tb[MQBUS_A_MEMBER_UID]);
	m->partitions = get_u32(tb[MQBUS_A_MEMBER_PARTITIONS]);
	m->revoking = get_u32(tb[MQBUS_A_MEMBER_REVOKING]);
	m->leases = get_u32(tb[MQBUS_A_MEMBER_LEASES]);
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[ATTR_MAX + 1];
	struct nl_query *q = arg;
	char *items;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, tb, ATTR_MAX, NULL) < 0) {
		q->error = -EPROTO;
		return NL_SKIP;
	}
	items = reallocarray(q->items, q->n + 1, q->size);
	if (!items) {
		q->error = -ENOMEM;
		return NL_SKIP;
	}
	q->items = items;
	items += q->n++ * q->size;
	memset(items, 0, q->size);
	q->decode(tb, items);
	return NL_OK;
}

/* libnl's own codes have forgotten which errno it was, so keep the original. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct nl_query *q = arg;

	(void)from;
	q->error = err->error;
	return NL_STOP;
}

static int query_send(struct nl_sock *sock, const struct nl_query *q)
{
	struct nl_msg *msg = nlmsg_alloc();
	int family, i, ret;

	if (!msg)
		return -ENOMEM;
	family = genl_ctrl_resolve(sock, MQBUS_FAMILY_NAME);
	if (family < 0) {
		nlmsg_free(msg);
		return -ENODEV;
	}
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, q->flags, q->cmd,
		    MQBUS_FAMILY_VERSION);
	for (i = 0; i < 2; i++) {
		if (q->value[i])
			nla_put_string(msg, q->attr[i], q->value[i]);
	}
	ret = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return ret < 0 ? -EIO : 0;
}

static int query_receive(struct nl_sock *sock, struct nl_query *q)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, q);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, q);
	ret = nl_recvmsgs(sock, cb);
	/* What a request of one object is answered with is followed by an ACK */
	if (!ret && !q->error && !(q->flags & NLM_F_DUMP))
		ret = nl_wait_for_ack(sock);
	nl_cb_put(cb);
	if (q->error)
		return q->error;
	if (ret == -NLE_DUMP_INTR)
		return -EAGAIN;
	return ret < 0 ? -EIO : 0;
}

static int query_once(struct nl_query *q)
{
	struct nl_sock *sock = nl_socket_alloc();
	int ret;

	if (!sock)
		return -ENOMEM;
	ret = genl_connect(sock) < 0 ? -ENODEV : query_send(sock, q);
	if (!ret)
		ret = query_receive(sock, q);
	nl_socket_free(sock);
	return ret;
}

static int query_run(struct nl_query *q, void *out, size_t *n)
{
	int tries = 10;
	int ret;

	/* A dump that something changed under is not one picture: take another */
	do {
		q->n = 0;
		q->error = 0;
		ret = query_once(q);
	} while (ret == -EAGAIN && --tries);
	if (ret) {
		free(q->items);
		return ret;
	}
	*(void **)out = q->items;
	*n = q->n;
	return 0;
}

int nl_topic_get(const char *name, struct nl_topic *topic)
{
	struct nl_query q = {
		.cmd = MQBUS_CMD_TOPIC_GET,
		.attr = { MQBUS_A_TOPIC_NAME },
		.value = { name },
		.decode = decode_topic,
		.size = sizeof(*topic),
	};
	struct nl_topic *found = NULL;
	size_t n;
	int ret;

	ret = query_run(&q, &found, &n);
	if (ret)
		return ret;
	if (n)
		*topic = *found;
	free(found);
	return n ? 0 : -ENOENT;
}

static int compare_topics(const void *a, const void *b)
{
	return strcmp(((const struct nl_topic *)a)->name, ((const struct nl_topic *)b)->name);
}

int nl_topic_list(struct nl_topic **out, size_t *n)
{
	struct nl_query q = {
		.cmd = MQBUS_CMD_TOPIC_GET,
		.flags = NLM_F_DUMP,
		.decode = decode_topic,
		.size = sizeof(**out),
	};
	int ret;

	ret = query_run(&q, out, n);
	if (!ret && *n)
		qsort(*out, *n, sizeof(**out), compare_topics);
	return ret;
}

static int compare_partitions(const void *a, const void *b)
{
	const struct nl_partition *p = a, *q = b;

	return (p->index > q->index) - (p->index < q->index);
}

int nl_partition_list(const char *topic, struct nl_partition **out, size_t *n)
{
	struct nl_query q = {
		.cmd = MQBUS_CMD_PARTITION_GET,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_PARTITION_TOPIC },
		.value = { topic },
		.decode = decode_partition,
		.size = sizeof(**out),
	};
	int ret;

	ret = query_run(&q, out, n);
	if (!ret && *n)
		qsort(*out, *n, sizeof(**out), compare_partitions);
	return ret;
}

static int compare_groups(const void *a, const void *b)
{
	const struct nl_group *g = a, *h = b;
	int ret;

	ret = strcmp(g->topic, h->topic);
	if (!ret)
		ret = strcmp(g->name, h->name);
	return ret ? ret : (g->partition > h->partition) - (g->partition < h->partition);
}

int nl_group_list(const char *topic, const char *name, struct nl_group **out,
		  size_t *n)
{
	struct nl_query q = {
		.cmd = MQBUS_CMD_GROUP_GET,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_GROUP_TOPIC, MQBUS_A_GROUP_NAME },
		.value = { topic, name },
		.decode = decode_group,
		.size = sizeof(**out),
	};
	int ret;

	ret = query_run(&q, out, n);
	if (!ret && *n)
		qsort(*out, *n, sizeof(**out), compare_groups);
	return ret;
}

int nl_member_list(const char *topic, const char *group, struct nl_member **out,
		   size_t *n)
{
	struct nl_query q = {
		.cmd = MQBUS_CMD_MEMBER_GET,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_MEMBER_TOPIC, MQBUS_A_MEMBER_GROUP },
		.value = { topic, group },
		.decode = decode_member,
		.size = sizeof(**out),
	};

	return query_run(&q, out, n);
}
