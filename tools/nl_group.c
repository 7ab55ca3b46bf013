// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include "nl.h"
#include "nl_query.h"

static void decode_queue(struct nlattr *nest, struct nl_queue *q)
{
	struct nlattr *tb[MQBUS_A_QUEUE_MAX + 1];

	if (!nest || nla_parse_nested(tb, MQBUS_A_QUEUE_MAX, nest, NULL) < 0)
		return;
	q->flags = nl_get_u32(tb[MQBUS_A_QUEUE_FLAGS]);
	q->max_inflight = nl_get_u32(tb[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	q->credit = nl_get_u32(tb[MQBUS_A_QUEUE_CREDIT]);
	q->limit = nl_get_u32(tb[MQBUS_A_QUEUE_LIMIT]);
	q->lease = nl_get_u64(tb[MQBUS_A_QUEUE_LEASE]);
	q->backoff_min = nl_get_u64(tb[MQBUS_A_QUEUE_BACKOFF_MIN]);
	q->backoff_max = nl_get_u64(tb[MQBUS_A_QUEUE_BACKOFF_MAX]);
	q->backoff_factor = nl_get_u32(tb[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	q->backoff_jitter = nl_get_u32(tb[MQBUS_A_QUEUE_BACKOFF_JITTER]);
	q->retry_size = nl_get_u64(tb[MQBUS_A_QUEUE_RETRY_SIZE]);
	nl_get_string(q->dlq, tb[MQBUS_A_QUEUE_DLQ], sizeof(q->dlq));
	q->charged = nl_get_u64(tb[MQBUS_A_QUEUE_CHARGED]);
	q->inflight = nl_get_u32(tb[MQBUS_A_QUEUE_INFLIGHT]);
	q->leased = nl_get_u32(tb[MQBUS_A_QUEUE_LEASED]);
	q->held = nl_get_u32(tb[MQBUS_A_QUEUE_HELD]);
	q->retrying = nl_get_u32(tb[MQBUS_A_QUEUE_RETRYING]);
	q->retry_used = nl_get_u64(tb[MQBUS_A_QUEUE_RETRY_USED]);
	q->dlq_blocked = nl_get_u32(tb[MQBUS_A_QUEUE_DLQ_BLOCKED]);
	q->delivered = nl_get_u64(tb[MQBUS_A_QUEUE_DELIVERED]);
	q->redelivered = nl_get_u64(tb[MQBUS_A_QUEUE_REDELIVERED]);
	q->acked = nl_get_u64(tb[MQBUS_A_QUEUE_ACKED]);
	q->nacked = nl_get_u64(tb[MQBUS_A_QUEUE_NACKED]);
	q->released = nl_get_u64(tb[MQBUS_A_QUEUE_RELEASED]);
	q->rejected = nl_get_u64(tb[MQBUS_A_QUEUE_REJECTED]);
	q->extended = nl_get_u64(tb[MQBUS_A_QUEUE_EXTENDED]);
	q->expired = nl_get_u64(tb[MQBUS_A_QUEUE_EXPIRED]);
	q->died = nl_get_u64(tb[MQBUS_A_QUEUE_DIED]);
	q->deaths = nl_get_u32(tb[MQBUS_A_QUEUE_DEATHS]);
	q->dead_lettered = nl_get_u64(tb[MQBUS_A_QUEUE_DEAD_LETTERED]);
	q->discarded = nl_get_u64(tb[MQBUS_A_QUEUE_DISCARDED]);
	q->oldest_inflight = nl_get_u64(tb[MQBUS_A_QUEUE_OLDEST_INFLIGHT]);
	q->dlq_producer = nl_get_u64(tb[MQBUS_A_QUEUE_DLQ_PRODUCER]);
}

/* What is the same in all partitions. */
static void decode_whole(struct nlattr **tb, struct nl_group *g)
{
	nl_get_string(g->topic, tb[MQBUS_A_GROUP_TOPIC], sizeof(g->topic));
	nl_get_string(g->name, tb[MQBUS_A_GROUP_NAME], sizeof(g->name));
	g->uid = nl_get_u32(tb[MQBUS_A_GROUP_UID]);
	g->mode = nl_get_u32(tb[MQBUS_A_GROUP_MODE]);
	g->type = nl_get_u32(tb[MQBUS_A_GROUP_TYPE]);
	g->members = nl_get_u32(tb[MQBUS_A_GROUP_MEMBERS]);
	g->generation = nl_get_u32(tb[MQBUS_A_GROUP_GENERATION]);
	g->paused = !!tb[MQBUS_A_GROUP_PAUSED];
	g->rebalance_timeout = nl_get_u64(tb[MQBUS_A_GROUP_REBALANCE_TIMEOUT]);
	g->grace = nl_get_u64(tb[MQBUS_A_GROUP_GRACE]);
	g->lag_limit = nl_get_u64(tb[MQBUS_A_GROUP_LAG_LIMIT]);
	decode_queue(tb[MQBUS_A_GROUP_QUEUE], &g->queue);
}

static void decode_progress(struct nlattr **tb, struct nl_group *g)
{
	g->partition = nl_get_u32(tb[MQBUS_A_GROUP_PARTITION]);
	g->committed = nl_get_u64(tb[MQBUS_A_GROUP_COMMITTED]);
	g->fetched = nl_get_u64(tb[MQBUS_A_GROUP_FETCHED]);
	g->next_offset = nl_get_u64(tb[MQBUS_A_GROUP_NEXT_OFFSET]);
	g->lag = nl_get_u64(tb[MQBUS_A_GROUP_LAG]);
	g->lost = nl_get_u64(tb[MQBUS_A_GROUP_LOST]);
	g->owner_pid = nl_get_u32(tb[MQBUS_A_GROUP_OWNER_PID]);
	nl_get_string(g->owner_comm, tb[MQBUS_A_GROUP_OWNER_COMM], sizeof(g->owner_comm));
	g->revoking = !!tb[MQBUS_A_GROUP_REVOKING];
	g->lag_time = nl_get_u64(tb[MQBUS_A_GROUP_LAG_TIME]);
	g->delivered = nl_get_u64(tb[MQBUS_A_GROUP_DELIVERED]);
	g->redelivered = nl_get_u64(tb[MQBUS_A_GROUP_REDELIVERED]);
}

static void decode_group(struct nlattr **tb, void *item)
{
	if (tb[MQBUS_A_GROUP_TYPE])
		decode_whole(tb, item);
	decode_progress(tb, item);
}

static void decode_member(struct nlattr **tb, void *item)
{
	struct nl_member *m = item;

	nl_get_string(m->topic, tb[MQBUS_A_MEMBER_TOPIC], sizeof(m->topic));
	nl_get_string(m->group, tb[MQBUS_A_MEMBER_GROUP], sizeof(m->group));
	nl_get_string(m->id, tb[MQBUS_A_MEMBER_ID], sizeof(m->id));
	m->state = nl_get_u32(tb[MQBUS_A_MEMBER_STATE]);
	m->pid = nl_get_u32(tb[MQBUS_A_MEMBER_PID]);
	nl_get_string(m->comm, tb[MQBUS_A_MEMBER_COMM], sizeof(m->comm));
	m->uid = nl_get_u32(tb[MQBUS_A_MEMBER_UID]);
	m->partitions = nl_get_u32(tb[MQBUS_A_MEMBER_PARTITIONS]);
	m->revoking = nl_get_u32(tb[MQBUS_A_MEMBER_REVOKING]);
	m->leases = nl_get_u32(tb[MQBUS_A_MEMBER_LEASES]);
	m->credit = nl_get_u32(tb[MQBUS_A_MEMBER_CREDIT]);
}

static void decode_assigned(struct nlattr *a, void *item)
{
	struct nl_member *m = item;
	__u32 i = nl_get_u32(a);

	if (i < MQBUS_PARTITIONS_MAX)
		m->assigned[i / 8] |= 1 << i % 8;
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
		.each = MQBUS_A_GROUP_PARTITION,
		.size = sizeof(**out),
	};
	int ret;

	ret = nl_query_run(&q, out, n);
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
		.many = MQBUS_A_MEMBER_ASSIGNED,
		.decode_one = decode_assigned,
		.size = sizeof(**out),
	};

	return nl_query_run(&q, out, n);
}
