// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include "mqbus_admin.h"
#include "query.h"

static void decode_queue(struct nlattr *nest, struct mqbus_admin_queue *q)
{
	struct nlattr *tb[MQBUS_A_QUEUE_MAX + 1];

	if (!nest || nla_parse_nested(tb, MQBUS_A_QUEUE_MAX, nest, NULL) < 0)
		return;
	q->flags = mqbus_attr_u32(tb[MQBUS_A_QUEUE_FLAGS]);
	q->max_inflight = mqbus_attr_u32(tb[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	q->credit = mqbus_attr_u32(tb[MQBUS_A_QUEUE_CREDIT]);
	q->max_attempts = mqbus_attr_u32(tb[MQBUS_A_QUEUE_MAX_ATTEMPTS]);
	q->lease = mqbus_attr_u64(tb[MQBUS_A_QUEUE_LEASE]);
	q->backoff_min = mqbus_attr_u64(tb[MQBUS_A_QUEUE_BACKOFF_MIN]);
	q->backoff_max = mqbus_attr_u64(tb[MQBUS_A_QUEUE_BACKOFF_MAX]);
	q->backoff_factor = mqbus_attr_u32(tb[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	q->backoff_jitter = mqbus_attr_u32(tb[MQBUS_A_QUEUE_BACKOFF_JITTER]);
	q->retry_size = mqbus_attr_u64(tb[MQBUS_A_QUEUE_RETRY_SIZE]);
	mqbus_attr_string(q->dlq, tb[MQBUS_A_QUEUE_DLQ], sizeof(q->dlq));
	q->charged = mqbus_attr_u64(tb[MQBUS_A_QUEUE_CHARGED]);
	q->inflight = mqbus_attr_u32(tb[MQBUS_A_QUEUE_INFLIGHT]);
	q->leased = mqbus_attr_u32(tb[MQBUS_A_QUEUE_LEASED]);
	q->held = mqbus_attr_u32(tb[MQBUS_A_QUEUE_HELD]);
	q->retrying = mqbus_attr_u32(tb[MQBUS_A_QUEUE_RETRYING]);
	q->retry_used = mqbus_attr_u64(tb[MQBUS_A_QUEUE_RETRY_USED]);
	q->dlq_blocked = mqbus_attr_u32(tb[MQBUS_A_QUEUE_DLQ_BLOCKED]);
	q->delivered = mqbus_attr_u64(tb[MQBUS_A_QUEUE_DELIVERED]);
	q->redelivered = mqbus_attr_u64(tb[MQBUS_A_QUEUE_REDELIVERED]);
	q->acked = mqbus_attr_u64(tb[MQBUS_A_QUEUE_ACKED]);
	q->nacked = mqbus_attr_u64(tb[MQBUS_A_QUEUE_NACKED]);
	q->released = mqbus_attr_u64(tb[MQBUS_A_QUEUE_RELEASED]);
	q->rejected = mqbus_attr_u64(tb[MQBUS_A_QUEUE_REJECTED]);
	q->extended = mqbus_attr_u64(tb[MQBUS_A_QUEUE_EXTENDED]);
	q->expired = mqbus_attr_u64(tb[MQBUS_A_QUEUE_EXPIRED]);
	q->died = mqbus_attr_u64(tb[MQBUS_A_QUEUE_DIED]);
	q->deaths = mqbus_attr_u32(tb[MQBUS_A_QUEUE_DEATHS]);
	q->dead_lettered = mqbus_attr_u64(tb[MQBUS_A_QUEUE_DEAD_LETTERED]);
	q->discarded = mqbus_attr_u64(tb[MQBUS_A_QUEUE_DISCARDED]);
	q->oldest_inflight = mqbus_attr_u64(tb[MQBUS_A_QUEUE_OLDEST_INFLIGHT]);
	q->dlq_producer = mqbus_attr_u64(tb[MQBUS_A_QUEUE_DLQ_PRODUCER]);
}

/* Attributes that are the same in all partitions. */
static void decode_whole(struct nlattr **tb, struct mqbus_admin_group *g)
{
	mqbus_attr_string(g->topic, tb[MQBUS_A_GROUP_TOPIC], sizeof(g->topic));
	mqbus_attr_string(g->name, tb[MQBUS_A_GROUP_NAME], sizeof(g->name));
	g->uid = mqbus_attr_u32(tb[MQBUS_A_GROUP_UID]);
	g->mode = mqbus_attr_u32(tb[MQBUS_A_GROUP_MODE]);
	g->type = mqbus_attr_u32(tb[MQBUS_A_GROUP_TYPE]);
	g->members = mqbus_attr_u32(tb[MQBUS_A_GROUP_MEMBERS]);
	g->generation = mqbus_attr_u32(tb[MQBUS_A_GROUP_GENERATION]);
	g->paused = !!tb[MQBUS_A_GROUP_PAUSED];
	g->rebalance_timeout = mqbus_attr_u64(tb[MQBUS_A_GROUP_REBALANCE_TIMEOUT]);
	g->grace = mqbus_attr_u64(tb[MQBUS_A_GROUP_GRACE]);
	g->lag_threshold = mqbus_attr_u64(tb[MQBUS_A_GROUP_LAG_THRESHOLD]);
	g->gid = mqbus_attr_u32(tb[MQBUS_A_GROUP_GID]);
	g->observer = !!tb[MQBUS_A_GROUP_OBSERVER];
	g->ephemeral = !!tb[MQBUS_A_GROUP_EPHEMERAL];
	g->expire = mqbus_attr_u64(tb[MQBUS_A_GROUP_EXPIRE]);
	decode_queue(tb[MQBUS_A_GROUP_QUEUE], &g->queue);
}

static void decode_progress(struct nlattr **tb, struct mqbus_admin_group *g)
{
	g->partition = mqbus_attr_u32(tb[MQBUS_A_GROUP_PARTITION]);
	g->committed = mqbus_attr_u64(tb[MQBUS_A_GROUP_COMMITTED]);
	g->fetched = mqbus_attr_u64(tb[MQBUS_A_GROUP_FETCHED]);
	g->next_offset = mqbus_attr_u64(tb[MQBUS_A_GROUP_NEXT_OFFSET]);
	g->lag = mqbus_attr_u64(tb[MQBUS_A_GROUP_LAG]);
	g->lost = mqbus_attr_u64(tb[MQBUS_A_GROUP_LOST]);
	g->owner_pid = mqbus_attr_u32(tb[MQBUS_A_GROUP_OWNER_PID]);
	mqbus_attr_string(g->owner_comm, tb[MQBUS_A_GROUP_OWNER_COMM], sizeof(g->owner_comm));
	g->revoking = !!tb[MQBUS_A_GROUP_REVOKING];
	g->lag_time = mqbus_attr_u64(tb[MQBUS_A_GROUP_LAG_TIME]);
	g->delivered = mqbus_attr_u64(tb[MQBUS_A_GROUP_DELIVERED]);
	g->redelivered = mqbus_attr_u64(tb[MQBUS_A_GROUP_REDELIVERED]);
}

static void decode_group(struct nlattr **tb, void *item)
{
	if (tb[MQBUS_A_GROUP_TYPE])
		decode_whole(tb, item);
	decode_progress(tb, item);
}

static void decode_member(struct nlattr **tb, void *item)
{
	struct mqbus_admin_member *m = item;

	mqbus_attr_string(m->topic, tb[MQBUS_A_MEMBER_TOPIC], sizeof(m->topic));
	mqbus_attr_string(m->group, tb[MQBUS_A_MEMBER_GROUP], sizeof(m->group));
	mqbus_attr_string(m->id, tb[MQBUS_A_MEMBER_ID], sizeof(m->id));
	m->state = mqbus_attr_u32(tb[MQBUS_A_MEMBER_STATE]);
	m->pid = mqbus_attr_u32(tb[MQBUS_A_MEMBER_PID]);
	mqbus_attr_string(m->comm, tb[MQBUS_A_MEMBER_COMM], sizeof(m->comm));
	m->uid = mqbus_attr_u32(tb[MQBUS_A_MEMBER_UID]);
	m->partitions = mqbus_attr_u32(tb[MQBUS_A_MEMBER_PARTITIONS]);
	m->revoking = mqbus_attr_u32(tb[MQBUS_A_MEMBER_REVOKING]);
	m->leases = mqbus_attr_u32(tb[MQBUS_A_MEMBER_LEASES]);
	m->credit = mqbus_attr_u32(tb[MQBUS_A_MEMBER_CREDIT]);
}

static void decode_assigned(struct nlattr *a, void *item)
{
	struct mqbus_admin_member *m = item;
	__u32 i = mqbus_attr_u32(a);

	if (i < MQBUS_PARTITIONS_MAX)
		m->assigned[i / 8] |= 1 << i % 8;
}

static int compare_groups(const void *a, const void *b)
{
	const struct mqbus_admin_group *g = a, *h = b;
	int ret;

	ret = strcmp(g->topic, h->topic);
	if (!ret)
		ret = strcmp(g->name, h->name);
	return ret ? ret : (g->partition > h->partition) - (g->partition < h->partition);
}

int mqbus_admin_group_list(const char *topic, const char *name, struct mqbus_admin_group **out,
			   size_t *n)
{
	struct mqbus_query q = {
		.cmd = MQBUS_CMD_GROUP_GET,
		.netns = MQBUS_A_GROUP_NETNS,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_GROUP_TOPIC, MQBUS_A_GROUP_NAME },
		.value = { topic, name },
		.decode = decode_group,
		.each = MQBUS_A_GROUP_PARTITION,
		.size = sizeof(**out),
		.compare = compare_groups,
	};

	return mqbus_query_run(&q, out, n);
}

int mqbus_admin_member_list(const char *topic, const char *group, struct mqbus_admin_member **out,
			    size_t *n)
{
	struct mqbus_query q = {
		.cmd = MQBUS_CMD_MEMBER_GET,
		.netns = MQBUS_A_MEMBER_NETNS,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_MEMBER_TOPIC, MQBUS_A_MEMBER_GROUP },
		.value = { topic, group },
		.decode = decode_member,
		.many = MQBUS_A_MEMBER_ASSIGNED,
		.decode_one = decode_assigned,
		.size = sizeof(**out),
	};

	return mqbus_query_run(&q, out, n);
}
