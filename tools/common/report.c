// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "escape.h"
#include "holder.h"
#include "names.h"
#include "output.h"
#include "report.h"

static json_t *mode_json(__u32 mode)
{
	return json_sprintf("%04o", mode);
}

static json_t *limits_json(const struct mqbus_admin_topic *t)
{
	return json_pack("{s:I s:I s:I s:I s:I s:I s:s}",
			 "rate", (json_int_t)t->rate,
			 "rate_bytes", (json_int_t)t->rate_bytes,
			 "user_rate", (json_int_t)t->user_rate,
			 "user_rate_bytes", (json_int_t)t->user_rate_bytes,
			 "burst_ns", (json_int_t)t->burst,
			 "share", (json_int_t)t->share,
			 "over", names_over(t->over));
}

static json_t *holder_json(const struct mqbus_admin_holder *h)
{
	if (!h->known)
		return json_null();
	if (!*h->group)
		return json_pack("{s:n s:I s:I s:I}", "group",
				 "partition", (json_int_t)h->partition,
				 "bytes", (json_int_t)h->bytes,
				 "wanted_bytes", (json_int_t)h->wanted);
	return json_pack("{s:s s:I s:I s:I s:I s:I s:I s:I s:I}",
			 "group", h->group,
			 "partition", (json_int_t)h->partition,
			 "bytes", (json_int_t)h->bytes,
			 "wanted_bytes", (json_int_t)h->wanted,
			 "records", (json_int_t)h->records,
			 "all_bytes", (json_int_t)h->all_bytes,
			 "all_records", (json_int_t)h->all_records,
			 "members", (json_int_t)h->members,
			 "oldest_ns", (json_int_t)h->age);
}

static json_t *topic_json(const struct mqbus_admin_topic *t)
{
	json_t *topic;

	topic = json_pack("{s:s s:I s:I s:o s:s s:b s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I}",
			  "name", t->name,
			  "uid", (json_int_t)t->uid,
			  "gid", (json_int_t)t->gid,
			  "mode", mode_json(t->mode),
			  "full", names_full(t->full),
			  "per_cpu", (int)t->per_cpu,
			  "partitions", (json_int_t)t->partitions,
			  "ring_size", (json_int_t)t->ring_size,
			  "max_record", (json_int_t)t->max_record,
			  "retention_ns", (json_int_t)t->retention,
			  "charged", (json_int_t)t->charged,
			  "producers", (json_int_t)t->producers,
			  "groups", (json_int_t)t->groups,
			  "records", (json_int_t)t->records,
			  "published", (json_int_t)t->published,
			  "used", (json_int_t)t->used);
	json_object_set_new(topic, "retention_bytes", json_integer(t->retention_size));
	json_object_set_new(topic, "limits", limits_json(t));
	json_object_set_new(topic, "holder", holder_json(&t->holder));
	return topic;
}

static json_t *partition_json(const struct mqbus_admin_partition *p)
{
	return json_pack("{s:I s:I s:I s:I s:I}",
			 "partition", (json_int_t)p->index,
			 "oldest", (json_int_t)p->head_offset,
			 "end", (json_int_t)p->next_offset,
			 "records", (json_int_t)(p->next_offset - p->head_offset),
			 "used", (json_int_t)p->used);
}

static json_t *progress_json(const struct mqbus_admin_group *g)
{
	json_t *owner = json_null();

	if (g->owner_pid)
		owner = json_pack("{s:I s:o}", "pid", (json_int_t)g->owner_pid,
				  "comm", escape_json(g->owner_comm, strlen(g->owner_comm)));
	return json_pack("{s:I s:I s:I s:I s:I s:I s:o s:b}",
			 "partition", (json_int_t)g->partition,
			 "committed", (json_int_t)g->committed,
			 "fetched", (json_int_t)g->fetched,
			 "end", (json_int_t)g->next_offset,
			 "lag", (json_int_t)g->lag,
			 "lost", (json_int_t)g->lost,
			 "owner", owner,
			 "revoking", (int)g->revoking);
}

/* The number of elements from @groups on of the same group; adds up lag and lost. */
static size_t group_span(const struct mqbus_admin_group *groups, size_t n, __u64 *lag,
			 __u64 *lost)
{
	size_t i;

	*lag = 0;
	*lost = 0;
	for (i = 0; i < n && !strcmp(groups[i].name, groups->name) &&
	     !strcmp(groups[i].topic, groups->topic); i++) {
		*lag += groups[i].lag;
		*lost += groups[i].lost;
	}
	return i;
}

static json_t *stream_json(const struct mqbus_admin_group *g)
{
	json_t *timeout = json_null();

	/* "No limit" does not fit into a JSON number */
	if (g->rebalance_timeout != MQBUS_WAIT_FOREVER)
		timeout = json_integer(g->rebalance_timeout);
	return json_pack("{s:o s:I}",
			 "rebalance_timeout_ns", timeout,
			 "grace_ns", (json_int_t)g->grace);
}

static json_t *group_json(const struct mqbus_admin_group *g, __u64 lag, __u64 lost)
{
	json_t *group;

	group = json_pack("{s:s s:s s:s s:I s:I s:o s:I s:I s:I s:I s:b s:b s:b s:I s:I}",
			  "topic", g->topic,
			  "group", g->name,
			  "type", names_group_type(g->type),
			  "uid", (json_int_t)g->uid,
			  "gid", (json_int_t)g->gid,
			  "mode", mode_json(g->mode),
			  "members", (json_int_t)g->members,
			  "generation", (json_int_t)g->generation,
			  "lag", (json_int_t)lag,
			  "lost", (json_int_t)lost,
			  "paused", (int)g->paused,
			  "observer", (int)g->observer,
			  "ephemeral", (int)g->ephemeral,
			  "expire_ns", (json_int_t)g->expire,
			  "lag_limit", (json_int_t)g->lag_threshold);
	if (g->type == MQBUS_GROUP_QUEUE)
		json_object_set_new(group, "queue", report_queue_json(&g->queue));
	else
		json_object_set_new(group, "stream", stream_json(g));
	return group;
}

static json_t *topics_json(const struct mqbus_admin_topic *topics, size_t n)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, topic_json(&topics[i]));
	return list;
}

static json_t *groups_json(const struct mqbus_admin_group *groups, size_t n)
{
	json_t *list = json_array();
	__u64 lag, lost;
	size_t i, span;

	for (i = 0; i < n; i += span) {
		span = group_span(groups + i, n - i, &lag, &lost);
		json_array_append_new(list, group_json(&groups[i], lag, lost));
	}
	return list;
}

static int group_json_print(const struct mqbus_admin_group *partitions, size_t n)
{
	json_t *list = json_array();
	__u64 lag, lost;
	json_t *group;
	size_t i;

	group_span(partitions, n, &lag, &lost);
	group = group_json(partitions, lag, lost);
	for (i = 0; i < n; i++)
		json_array_append_new(list, progress_json(&partitions[i]));
	json_object_set_new(group, "partitions", list);
	return output_json(group);
}

static int topic_json_print(const struct mqbus_admin_topic *topic,
			    const struct mqbus_admin_partition *partitions, size_t nr_partitions,
			    const struct mqbus_admin_group *groups, size_t nr_groups)
{
	json_t *list = json_array();
	json_t *t = topic_json(topic);
	size_t i;

	for (i = 0; i < nr_partitions; i++)
		json_array_append_new(list, partition_json(&partitions[i]));
	json_object_set_new(t, "partition_list", list);
	json_object_set_new(t, "group_list", groups_json(groups, nr_groups));
	return output_json(t);
}

static const char *partitions_text(char buf[32], const struct mqbus_admin_topic *t)
{
	snprintf(buf, 32, t->per_cpu ? "%u (per-cpu)" : "%u", t->partitions);
	return buf;
}

int report_topics(const struct mqbus_admin_topic *topics, size_t n, bool json)
{
	char partitions[32], size[32], used[32], user[64];
	const struct mqbus_admin_topic *t;
	struct table table = { 0 };

	if (json)
		return output_json(topics_json(topics, n));
	table_head(&table,
		   "TOPIC\tOWNER\tMODE\tFULL\t>PARTITIONS\t>RING\t>RECORDS\t>USED\t>PRODUCERS\t>GROUPS");
	for (t = topics; t < topics + n; t++)
		table_row(&table, "%s\t%s\t%04o\t%s\t%s\t%s\t%llu\t%s\t%u\t%u", t->name,
			  names_user(user, t->uid), t->mode, names_full(t->full),
			  partitions_text(partitions, t), output_size(size, t->ring_size),
			  t->records, output_size(used, t->used), t->producers, t->groups);
	table_print(&table);
	return STATUS_OK;
}

/* A rate in records and one in bytes; either may be 0. */
static void print_rate(const char *name, __u64 records, __u64 bytes)
{
	char size[32];

	if (!records && !bytes)
		return;
	printf("%-11s ", name);
	if (records)
		printf("%llu records/s%s", records, bytes ? ", " : "\n");
	if (bytes)
		printf("%s/s\n", output_size(size, bytes));
}

static void print_limits(const struct mqbus_admin_topic *t)
{
	char buf[32];

	print_rate("rate", t->rate, t->rate_bytes);
	print_rate("user rate", t->user_rate, t->user_rate_bytes);
	if (t->rate || t->rate_bytes || t->user_rate || t->user_rate_bytes)
		output_field("burst", "%s", output_duration(buf, t->burst));
	if (t->share)
		output_field("share", "%u %% of a partition for each uid", t->share);
	if (t->share || t->rate || t->rate_bytes || t->user_rate || t->user_rate_bytes)
		output_field("over", "%s", names_over(t->over));
}

static void print_holder(const struct mqbus_admin_holder *h)
{
	char size[32];

	if (!h->known)
		return;
	output_size(size, h->bytes);
	if (*h->group)
		output_field("held", "%llu records (%s) of partition %u, by group '%s'",
			     h->records, size, h->partition, h->group);
	else
		output_field("held", "%s of partition %u, as no group reads it", size,
			     h->partition);
}

/* The last line, as it is what to act upon */
static void print_full(const struct mqbus_admin_topic *t)
{
	struct text line = { 0 };

	if (!holder_full(t))
		return;
	escape_printf(&line, "\ntopic '%s' is full: ", t->name);
	holder_tell(t, &line);
	text_add(&line, "\n", 1);
	text_write(&line, stdout);
}

static void print_config(const struct mqbus_admin_topic *t)
{
	char user[64], group[64], a[32], b[32];

	output_field("topic", "%s", t->name);
	output_field("owner", "%s:%s (%u:%u)", names_user(user, t->uid),
		     names_group(group, t->gid), t->uid, t->gid);
	output_field("mode", "%04o", t->mode);
	output_field("full", "%s", names_full(t->full));
	output_field("partitions", "%s", partitions_text(a, t));
	output_field("ring", "%s", output_size(a, t->ring_size));
	output_field("max record", "%s", output_size(a, t->max_record));
	output_field("retention", "%s", t->retention ? output_duration(a, t->retention) : "none");
	if (t->retention_size)
		output_field("", "%s of each partition", output_size(a, t->retention_size));
	print_limits(t);
	output_field("charged", "%s", output_size(a, t->charged));
	output_field("producers", "%u", t->producers);
	output_field("records", "%llu kept (%s) of %llu published", t->records,
		     output_size(b, t->used), t->published);
	print_holder(&t->holder);
}

int report_topic(const struct mqbus_admin_topic *topic,
		 const struct mqbus_admin_partition *partitions, size_t nr_partitions,
		 const struct mqbus_admin_group *groups, size_t nr_groups, bool json)
{
	const struct mqbus_admin_partition *p;
	struct table table = { 0 };
	char used[32];
	int ret;

	if (json)
		return topic_json_print(topic, partitions, nr_partitions, groups, nr_groups);
	print_config(topic);
	putchar('\n');
	table_head(&table, ">PARTITION\t>OLDEST\t>END\t>RECORDS\t>USED");
	for (p = partitions; p < partitions + nr_partitions; p++)
		table_row(&table, "%u\t%llu\t%llu\t%llu\t%s", p->index,
			  p->head_offset, p->next_offset, p->next_offset - p->head_offset,
			  output_size(used, p->used));
	table_print(&table);
	putchar('\n');
	ret = report_groups(groups, nr_groups, false);
	print_full(topic);
	return ret;
}

/* A figure of queue groups only; returns @buf. */
static const char *queue_figure(char buf[24], const struct mqbus_admin_group *g, __u64 value)
{
	if (g->type == MQBUS_GROUP_QUEUE)
		snprintf(buf, 24, "%llu", value);
	else
		snprintf(buf, 24, "-");
	return buf;
}

int report_groups(const struct mqbus_admin_group *groups, size_t n, bool json)
{
	struct table table = { 0 };
	const struct mqbus_admin_group *g;
	char user[64], inflight[24], retrying[24], dead[24];
	__u64 lag, lost;
	size_t i, span;

	if (json)
		return output_json(groups_json(groups, n));
	table_head(&table,
		   "TOPIC\tGROUP\tOWNER\tMODE\tTYPE\t>PARTITIONS\t>MEMBERS\t>INFLIGHT\t>RETRYING\t>DEAD\t>LAG\t>LOST");
	for (i = 0; i < n; i += span) {
		g = &groups[i];
		span = group_span(g, n - i, &lag, &lost);
		table_row(&table, "%s\t%s\t%s\t%04o\t%s\t%zu\t%u\t%s\t%s\t%s\t%llu\t%llu",
			  g->topic, g->name, names_user(user, g->uid), g->mode,
			  g->observer ? "observer" : names_group_type(g->type), span, g->members,
			  queue_figure(inflight, g, g->queue.inflight),
			  queue_figure(retrying, g, g->queue.retrying),
			  queue_figure(dead, g, g->queue.dead_lettered), lag, lost);
	}
	table_print(&table);
	return STATUS_OK;
}

static void stream_table(const struct mqbus_admin_group *g, size_t n)
{
	struct table table = { 0 };
	char owner[64];

	table_head(&table, ">PARTITION\t>COMMITTED\t>FETCHED\t>END\t>LAG\t>LOST\tOWNER");
	for (; n; g++, n--) {
		snprintf(owner, sizeof(owner), g->owner_pid ? "%u %s%s" : "-", g->owner_pid,
			 g->owner_comm, g->revoking ? " (revoked)" : "");
		table_row(&table, "%u\t%llu\t%llu\t%llu\t%llu\t%llu\t%s",
			  g->partition, g->committed, g->fetched, g->next_offset, g->lag,
			  g->lost, owner);
	}
	table_print(&table);
}

/* Records below SETTLED are settled, records from NEXT on not yet handed out */
static void queue_table(const struct mqbus_admin_group *g, size_t n)
{
	struct table table = { 0 };

	table_head(&table, ">PARTITION\t>SETTLED\t>NEXT\t>END\t>LAG");
	for (; n; g++, n--)
		table_row(&table, "%u\t%llu\t%llu\t%llu\t%llu",
			  g->partition, g->committed, g->fetched, g->next_offset, g->lag);
	table_print(&table);
}

static void print_stream(const struct mqbus_admin_group *g)
{
	char buf[32];

	output_field("rebalance", "%s", g->rebalance_timeout == MQBUS_WAIT_FOREVER ? "no limit" :
		     output_duration(buf, g->rebalance_timeout));
	output_field("grace", "%s", g->grace ? output_duration(buf, g->grace) : "none");
}

int report_group(const struct mqbus_admin_group *partitions, size_t n, bool json)
{
	const struct mqbus_admin_group *g = partitions;
	char user[64];

	if (json)
		return group_json_print(partitions, n);
	output_field("topic", "%s", g->topic);
	output_field("group", "%s", g->name);
	output_field("owner", "%s (%u:%u)", names_user(user, g->uid), g->uid, g->gid);
	output_field("mode", "%04o", g->mode);
	output_field("type", "%s%s", names_group_type(g->type),
		     g->observer ? ", observer: holds no records back" : "");
	if (g->ephemeral)
		output_field("expires", "with its last member");
	else if (g->expire)
		output_field("expires", "after %s without members",
			     output_duration(user, g->expire));
	output_field("members", "%u", g->members);
	output_field("generation", "%u", g->generation);
	if (g->paused)
		output_field("paused", "yes");
	if (g->lag_threshold)
		output_field("lag limit", "%llu", g->lag_threshold);
	if (g->type == MQBUS_GROUP_QUEUE)
		report_queue(&g->queue);
	else
		print_stream(g);
	putchar('\n');
	if (g->type == MQBUS_GROUP_QUEUE)
		queue_table(g, n);
	else
		stream_table(g, n);
	return STATUS_OK;
}
