// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include "mqbus_admin.h"
#include "query.h"

static void decode_holder(struct nlattr *nest, struct mqbus_admin_holder *h)
{
	struct nlattr *tb[MQBUS_A_HOLDER_MAX + 1];

	if (!nest || nla_parse_nested(tb, MQBUS_A_HOLDER_MAX, nest, NULL) < 0)
		return;
	h->known = 1;
	h->partition = mqbus_attr_u32(tb[MQBUS_A_HOLDER_PARTITION]);
	mqbus_attr_string(h->group, tb[MQBUS_A_HOLDER_GROUP], sizeof(h->group));
	h->members = mqbus_attr_u32(tb[MQBUS_A_HOLDER_MEMBERS]);
	h->bytes = mqbus_attr_u64(tb[MQBUS_A_HOLDER_BYTES]);
	h->wanted = mqbus_attr_u64(tb[MQBUS_A_HOLDER_WANTED]);
	h->records = mqbus_attr_u64(tb[MQBUS_A_HOLDER_RECORDS]);
	h->all_bytes = mqbus_attr_u64(tb[MQBUS_A_HOLDER_ALL_BYTES]);
	h->all_records = mqbus_attr_u64(tb[MQBUS_A_HOLDER_ALL_RECORDS]);
	h->age = mqbus_attr_u64(tb[MQBUS_A_HOLDER_AGE]);
}

static void decode_topic(struct nlattr **tb, void *item)
{
	struct mqbus_admin_topic *t = item;

	mqbus_attr_string(t->name, tb[MQBUS_A_TOPIC_NAME], sizeof(t->name));
	t->uid = mqbus_attr_u32(tb[MQBUS_A_TOPIC_UID]);
	t->gid = mqbus_attr_u32(tb[MQBUS_A_TOPIC_GID]);
	t->mode = mqbus_attr_u32(tb[MQBUS_A_TOPIC_MODE]);
	t->full = mqbus_attr_u32(tb[MQBUS_A_TOPIC_FULL]);
	t->per_cpu = !!tb[MQBUS_A_TOPIC_PER_CPU];
	t->partitions = mqbus_attr_u32(tb[MQBUS_A_TOPIC_PARTITIONS]);
	t->ring_size = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RING_SIZE]);
	t->max_record = mqbus_attr_u32(tb[MQBUS_A_TOPIC_MAX_RECORD]);
	t->retention = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RETENTION]);
	t->charged = mqbus_attr_u64(tb[MQBUS_A_TOPIC_CHARGED]);
	t->producers = mqbus_attr_u32(tb[MQBUS_A_TOPIC_PRODUCERS]);
	t->groups = mqbus_attr_u32(tb[MQBUS_A_TOPIC_GROUPS]);
	t->records = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RECORDS]);
	t->published = mqbus_attr_u64(tb[MQBUS_A_TOPIC_PUBLISHED]);
	t->used = mqbus_attr_u64(tb[MQBUS_A_TOPIC_USED]);
	t->retention_size = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RETENTION_SIZE]);
	t->rate = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RATE]);
	t->rate_bytes = mqbus_attr_u64(tb[MQBUS_A_TOPIC_RATE_BYTES]);
	t->user_rate = mqbus_attr_u64(tb[MQBUS_A_TOPIC_USER_RATE]);
	t->user_rate_bytes = mqbus_attr_u64(tb[MQBUS_A_TOPIC_USER_RATE_BYTES]);
	t->burst = mqbus_attr_u64(tb[MQBUS_A_TOPIC_BURST]);
	t->share = mqbus_attr_u32(tb[MQBUS_A_TOPIC_SHARE]);
	t->over = mqbus_attr_u32(tb[MQBUS_A_TOPIC_OVER]);
	t->published_bytes = mqbus_attr_u64(tb[MQBUS_A_TOPIC_PUBLISHED_BYTES]);
	t->evicted = mqbus_attr_u64(tb[MQBUS_A_TOPIC_EVICTED]);
	t->rejected = mqbus_attr_u64(tb[MQBUS_A_TOPIC_REJECTED]);
	t->over_limit = mqbus_attr_u64(tb[MQBUS_A_TOPIC_OVER_LIMIT]);
	t->blocked = mqbus_attr_u32(tb[MQBUS_A_TOPIC_BLOCKED]);
	t->blocked_time = mqbus_attr_u64(tb[MQBUS_A_TOPIC_BLOCKED_TIME]);
	t->waits_full = mqbus_attr_u64(tb[MQBUS_A_TOPIC_WAITS_FULL]);
	t->waits_rate = mqbus_attr_u64(tb[MQBUS_A_TOPIC_WAITS_RATE]);
	t->waits_share = mqbus_attr_u64(tb[MQBUS_A_TOPIC_WAITS_SHARE]);
	decode_holder(tb[MQBUS_A_TOPIC_HOLDER], &t->holder);
}

static void decode_partition(struct nlattr **tb, void *item)
{
	struct mqbus_admin_partition *p = item;

	mqbus_attr_string(p->topic, tb[MQBUS_A_PARTITION_TOPIC], sizeof(p->topic));
	p->index = mqbus_attr_u32(tb[MQBUS_A_PARTITION_INDEX]);
	p->head_offset = mqbus_attr_u64(tb[MQBUS_A_PARTITION_HEAD_OFFSET]);
	p->next_offset = mqbus_attr_u64(tb[MQBUS_A_PARTITION_NEXT_OFFSET]);
	p->used = mqbus_attr_u64(tb[MQBUS_A_PARTITION_USED]);
	p->published_bytes = mqbus_attr_u64(tb[MQBUS_A_PARTITION_PUBLISHED_BYTES]);
	p->evicted = mqbus_attr_u64(tb[MQBUS_A_PARTITION_EVICTED]);
	p->head_time = mqbus_attr_u64(tb[MQBUS_A_PARTITION_HEAD_TIME]);
}

int mqbus_admin_topic_get(const char *name, struct mqbus_admin_topic *topic)
{
	struct mqbus_query q = {
		.cmd = MQBUS_CMD_TOPIC_GET,
		.netns = MQBUS_A_TOPIC_NETNS,
		.attr = { MQBUS_A_TOPIC_NAME },
		.value = { name },
		.decode = decode_topic,
		.size = sizeof(*topic),
	};
	struct mqbus_admin_topic *found = NULL;
	size_t n;
	int ret;

	ret = mqbus_query_run(&q, &found, &n);
	if (ret)
		return ret;
	if (n)
		*topic = *found;
	free(found);
	return n ? 0 : -ENOENT;
}

static int compare_topics(const void *a, const void *b)
{
	const struct mqbus_admin_topic *t = a, *u = b;

	return strcmp(t->name, u->name);
}

int mqbus_admin_topic_list(struct mqbus_admin_topic **out, size_t *n)
{
	struct mqbus_query q = {
		.cmd = MQBUS_CMD_TOPIC_GET,
		.netns = MQBUS_A_TOPIC_NETNS,
		.flags = NLM_F_DUMP,
		.decode = decode_topic,
		.size = sizeof(**out),
		.compare = compare_topics,
	};

	return mqbus_query_run(&q, out, n);
}

static int compare_partitions(const void *a, const void *b)
{
	const struct mqbus_admin_partition *p = a, *q = b;

	return (p->index > q->index) - (p->index < q->index);
}

int mqbus_admin_partition_list(const char *topic, struct mqbus_admin_partition **out, size_t *n)
{
	struct mqbus_query q = {
		.cmd = MQBUS_CMD_PARTITION_GET,
		.netns = MQBUS_A_PARTITION_NETNS,
		.flags = NLM_F_DUMP,
		.attr = { MQBUS_A_PARTITION_TOPIC },
		.value = { topic },
		.decode = decode_partition,
		.size = sizeof(**out),
		.compare = compare_partitions,
	};

	return mqbus_query_run(&q, out, n);
}
