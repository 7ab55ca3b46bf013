// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"
#include "nl_query.h"

static void decode_topic(struct nlattr **tb, void *item)
{
	struct nl_topic *t = item;

	nl_get_string(t->name, tb[MQBUS_A_TOPIC_NAME], sizeof(t->name));
	t->uid = nl_get_u32(tb[MQBUS_A_TOPIC_UID]);
	t->gid = nl_get_u32(tb[MQBUS_A_TOPIC_GID]);
	t->mode = nl_get_u32(tb[MQBUS_A_TOPIC_MODE]);
	t->full = nl_get_u32(tb[MQBUS_A_TOPIC_FULL]);
	t->per_cpu = !!tb[MQBUS_A_TOPIC_PER_CPU];
	t->partitions = nl_get_u32(tb[MQBUS_A_TOPIC_PARTITIONS]);
	t->ring_size = nl_get_u64(tb[MQBUS_A_TOPIC_RING_SIZE]);
	t->max_record = nl_get_u32(tb[MQBUS_A_TOPIC_MAX_RECORD]);
	t->retention = nl_get_u64(tb[MQBUS_A_TOPIC_RETENTION]);
	t->charged = nl_get_u64(tb[MQBUS_A_TOPIC_CHARGED]);
	t->producers = nl_get_u32(tb[MQBUS_A_TOPIC_PRODUCERS]);
	t->groups = nl_get_u32(tb[MQBUS_A_TOPIC_GROUPS]);
	t->records = nl_get_u64(tb[MQBUS_A_TOPIC_RECORDS]);
	t->published = nl_get_u64(tb[MQBUS_A_TOPIC_PUBLISHED]);
	t->used = nl_get_u64(tb[MQBUS_A_TOPIC_USED]);
	t->retention_size = nl_get_u64(tb[MQBUS_A_TOPIC_RETENTION_SIZE]);
	t->rate = nl_get_u64(tb[MQBUS_A_TOPIC_RATE]);
	t->rate_bytes = nl_get_u64(tb[MQBUS_A_TOPIC_RATE_BYTES]);
	t->user_rate = nl_get_u64(tb[MQBUS_A_TOPIC_USER_RATE]);
	t->user_rate_bytes = nl_get_u64(tb[MQBUS_A_TOPIC_USER_RATE_BYTES]);
	t->burst = nl_get_u64(tb[MQBUS_A_TOPIC_BURST]);
	t->share = nl_get_u32(tb[MQBUS_A_TOPIC_SHARE]);
	t->over = nl_get_u32(tb[MQBUS_A_TOPIC_OVER]);
	t->published_bytes = nl_get_u64(tb[MQBUS_A_TOPIC_PUBLISHED_BYTES]);
	t->evicted = nl_get_u64(tb[MQBUS_A_TOPIC_EVICTED]);
	t->rejected = nl_get_u64(tb[MQBUS_A_TOPIC_REJECTED]);
	t->over_limit = nl_get_u64(tb[MQBUS_A_TOPIC_OVER_LIMIT]);
	t->blocked = nl_get_u32(tb[MQBUS_A_TOPIC_BLOCKED]);
	t->blocked_time = nl_get_u64(tb[MQBUS_A_TOPIC_BLOCKED_TIME]);
	t->waits_full = nl_get_u64(tb[MQBUS_A_TOPIC_WAITS_FULL]);
	t->waits_rate = nl_get_u64(tb[MQBUS_A_TOPIC_WAITS_RATE]);
	t->waits_share = nl_get_u64(tb[MQBUS_A_TOPIC_WAITS_SHARE]);
}

static void decode_partition(struct nlattr **tb, void *item)
{
	struct nl_partition *p = item;

	nl_get_string(p->topic, tb[MQBUS_A_PARTITION_TOPIC], sizeof(p->topic));
	p->index = nl_get_u32(tb[MQBUS_A_PARTITION_INDEX]);
	p->head_offset = nl_get_u64(tb[MQBUS_A_PARTITION_HEAD_OFFSET]);
	p->next_offset = nl_get_u64(tb[MQBUS_A_PARTITION_NEXT_OFFSET]);
	p->used = nl_get_u64(tb[MQBUS_A_PARTITION_USED]);
	p->published_bytes = nl_get_u64(tb[MQBUS_A_PARTITION_PUBLISHED_BYTES]);
	p->evicted = nl_get_u64(tb[MQBUS_A_PARTITION_EVICTED]);
	p->head_time = nl_get_u64(tb[MQBUS_A_PARTITION_HEAD_TIME]);
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

	ret = nl_query_run(&q, &found, &n);
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

	ret = nl_query_run(&q, out, n);
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

	ret = nl_query_run(&q, out, n);
	if (!ret && *n)
		qsort(*out, *n, sizeof(**out), compare_partitions);
	return ret;
}
