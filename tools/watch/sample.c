// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cmd.h"
#include "sample.h"

/* One partition of a group. */
static void group_add(struct sample_group *sum, const struct mqbus_admin_group *g)
{
	sum->partitions++;
	sum->lag += g->lag;
	if (sum->lag_time < g->lag_time)
		sum->lag_time = g->lag_time;
	sum->lost += g->lost;
	if (g->type == MQBUS_GROUP_QUEUE) {
		/* It settles in any order, so the committed offset lags behind */
		sum->settled += g->next_offset > g->lag ? g->next_offset - g->lag : 0;
		return;
	}
	sum->settled += g->committed;
	sum->held += g->fetched > g->committed ? g->fetched - g->committed : 0;
	sum->delivered += g->delivered;
	sum->redelivered += g->redelivered;
}

static void group_begin(struct sample_group *sum, const struct mqbus_admin_group *g)
{
	memcpy(sum->topic, g->topic, sizeof(sum->topic));
	memcpy(sum->name, g->name, sizeof(sum->name));
	sum->type = g->type;
	sum->members = g->members;
	sum->paused = g->paused;
	sum->lag_threshold = g->lag_threshold;
	sum->queue = g->queue;
	sum->held = g->queue.inflight;
	sum->delivered = g->queue.delivered;
	sum->redelivered = g->queue.redelivered;
}

static int compare_groups(const void *a, const void *b)
{
	const struct sample_group *g = a, *h = b;
	int ret = strcmp(g->topic, h->topic);

	return ret ? ret : strcmp(g->name, h->name);
}

/* The partitions are sorted, so those of one group follow each other. */
static int groups_sum(struct sample *s, const struct mqbus_admin_group *g, size_t n)
{
	struct sample_group *sum = NULL;

	s->groups = calloc(n + 1, sizeof(*s->groups));
	if (!s->groups)
		return -ENOMEM;
	for (; n; g++, n--) {
		if (!sum || strcmp(sum->name, g->name) || strcmp(sum->topic, g->topic)) {
			sum = &s->groups[s->nr_groups++];
			group_begin(sum, g);
		}
		group_add(sum, g);
	}
	return 0;
}

static int take_topics(struct sample *s, const char *topic)
{
	if (!topic)
		return mqbus_admin_topic_list(&s->topics, &s->nr_topics);
	s->topics = calloc(1, sizeof(*s->topics));
	if (!s->topics)
		return -ENOMEM;
	s->nr_topics = 1;
	return mqbus_admin_topic_get(topic, s->topics);
}

int sample_take(struct sample *s, const char *topic)
{
	struct mqbus_admin_group *groups = NULL;
	struct timespec ts;
	size_t n = 0;
	int ret;

	memset(s, 0, sizeof(*s));
	clock_gettime(CLOCK_REALTIME, &ts);
	s->wall = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	s->time = cmd_now();
	ret = take_topics(s, topic);
	if (!ret)
		ret = mqbus_admin_group_list(topic, NULL, &groups, &n);
	if (!ret)
		ret = groups_sum(s, groups, n);
	free(groups);
	if (ret)
		sample_free(s);
	return ret;
}

void sample_free(struct sample *s)
{
	free(s->topics);
	free(s->groups);
	memset(s, 0, sizeof(*s));
}

static int compare_topic(const void *name, const void *topic)
{
	return strcmp(name, ((const struct mqbus_admin_topic *)topic)->name);
}

const struct mqbus_admin_topic *sample_topic(const struct sample *s, const char *name)
{
	if (!s->nr_topics)
		return NULL;
	return bsearch(name, s->topics, s->nr_topics, sizeof(*s->topics), compare_topic);
}

const struct sample_group *sample_group(const struct sample *s, const char *topic,
					const char *name)
{
	struct sample_group key;

	if (!s->nr_groups)
		return NULL;
	strcpy(key.topic, topic);
	strcpy(key.name, name);
	return bsearch(&key, s->groups, s->nr_groups, sizeof(key), compare_groups);
}

double sample_rate(const struct sample *old, const struct sample *new, __u64 before,
		   __u64 after)
{
	__u64 grown = after >= before ? after - before : after;

	return new->time > old->time ? grown * 1e9 / (new->time - old->time) : 0;
}

double sample_settled(const struct sample *old, const struct sample *new,
		      const struct sample_group *before, const struct sample_group *after)
{
	__u64 from = before ? before->settled : 0;

	if (from > after->settled)
		from = after->settled;
	return sample_rate(old, new, from, after->settled);
}
