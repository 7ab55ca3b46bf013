// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "common/names.h"
#include "common/output.h"
#include "figure.h"
#include "stat.h"

/* A rate as text, "-" without a sample before; returns @buf. */
static const char *rate_text(char buf[32], const struct sample *old, const struct sample *s,
			     __u64 before, __u64 after)
{
	if (old)
		snprintf(buf, 32, "%.0f", sample_rate(old, s, before, after));
	else
		snprintf(buf, 32, "-");
	return buf;
}

static void topics_table(const struct sample *s, const struct sample *old)
{
	static const struct mqbus_admin_topic none;
	struct table table = { 0 };
	const struct mqbus_admin_topic *t;

	table_head(&table,
		   "TOPIC\t>RECORDS\t>USED\t>PUBLISHED\t>IN/S\t>BYTES/S\t>EVICTED\t>REJECTED\t>OVER LIMIT\t>BLOCKED\t>BLOCKED TIME");
	for (t = s->topics; t < s->topics + s->nr_topics; t++) {
		const struct mqbus_admin_topic *b = old ? sample_topic(old, t->name) : NULL;
		char used[32], in[32], bytes[32], blocked[32];

		if (!b)
			b = &none;
		table_row(&table, "%s\t%llu\t%s\t%llu\t%s\t%s\t%llu\t%llu\t%llu\t%u\t%s", t->name,
			  t->records, output_size(used, t->used), t->published,
			  rate_text(in, old, s, b->published, t->published),
			  rate_text(bytes, old, s, b->published_bytes,
				    t->published_bytes),
			  t->evicted, t->rejected, t->over_limit, t->blocked,
			  output_time(blocked, t->blocked_time));
	}
	table_print(&table);
}

static void groups_table(const struct sample *s, const struct sample *old)
{
	static const struct sample_group none;
	struct table table = { 0 };
	const struct sample_group *g;

	table_head(&table,
		   "TOPIC\tGROUP\tTYPE\t>MEMBERS\t>LAG\t>LAG TIME\t>OUT/S\t>SETTLED/S\t>HELD\t>RETRYING\t>DEAD\t>LOST");
	for (g = s->groups; g < s->groups + s->nr_groups; g++) {
		const struct sample_group *b = old ? sample_group(old, g->topic, g->name) : NULL;
		char lag[32], out[32], settled[32];

		if (old)
			snprintf(settled, sizeof(settled), "%.0f", sample_settled(old, s, b, g));
		else
			snprintf(settled, sizeof(settled), "-");
		if (!b)
			b = &none;
		table_row(&table, "%s\t%s\t%s\t%u\t%llu\t%s\t%s\t%s\t%llu\t%u\t%llu\t%llu",
			  g->topic, g->name, names_group_type(g->type), g->members, g->lag,
			  output_time(lag, g->lag_time),
			  rate_text(out, old, s, b->delivered, g->delivered),
			  settled,
			  g->held, g->queue.retrying, g->queue.dead_lettered, g->lost);
	}
	table_print(&table);
}

void stat_table(const struct sample *s, const struct sample *old)
{
	topics_table(s, old);
	putchar('\n');
	groups_table(s, old);
}

static void tsv(struct text *out, const struct figure_table *table, const struct figure *f,
		const char *topic, const char *group, const void *of)
{
	escape_printf(out, "%s\t%s\t%s\t%s%s\t%llu\n", table->kind, topic, group, f->name,
		      f->ns ? "_ns" : "", figure_value(f, of));
}

void stat_tsv(const struct sample *s, struct text *out)
{
	const struct sample_group *g;
	const struct mqbus_admin_topic *t;
	const struct figure *f;

	for (t = s->topics; t < s->topics + s->nr_topics; t++) {
		for (f = figure_topic.figures; f->name; f++)
			tsv(out, &figure_topic, f, t->name, "-", t);
	}
	for (g = s->groups; g < s->groups + s->nr_groups; g++) {
		for (f = figure_group.figures; f->name; f++) {
			if (figure_applies(f, g))
				tsv(out, &figure_group, f, g->topic, g->name, g);
		}
	}
}

/* A figure, and its rate if there is one; @before is NULL if the thing is new. */
static void json_figure(json_t *object, json_t *rates, const struct figure *f, const void *of,
			const void *before, const struct sample *s, const struct sample *old)
{
	__u64 value = figure_value(f, of);
	char name[64];
	double rate;

	snprintf(name, sizeof(name), "%s%s", f->name, f->ns ? "_ns" : "");
	json_object_set_new(object, name, json_integer(value));
	if (!old || !f->total)
		return;
	rate = sample_rate(old, s, before ? figure_value(f, before) : 0, value);
	json_object_set_new(rates, name, json_real(rate));
}

static json_t *topic_json(const struct mqbus_admin_topic *t, const struct sample *s,
			  const struct sample *old)
{
	const struct mqbus_admin_topic *before = old ? sample_topic(old, t->name) : NULL;
	json_t *topic = json_pack("{s:s}", "topic", t->name);
	json_t *rates = json_object();
	const struct figure *f;

	for (f = figure_topic.figures; f->name; f++)
		json_figure(topic, rates, f, t, before, s, old);
	json_object_set_new(topic, "rates", old ? json_incref(rates) : json_null());
	json_decref(rates);
	return topic;
}

static json_t *group_json(const struct sample_group *g, const struct sample *s,
			  const struct sample *old)
{
	const struct sample_group *before = old ? sample_group(old, g->topic, g->name) : NULL;
	json_t *rates = json_object();
	const struct figure *f;
	json_t *group;

	group = json_pack("{s:s s:s s:s}", "topic", g->topic, "group", g->name,
			  "type", names_group_type(g->type));
	for (f = figure_group.figures; f->name; f++) {
		if (figure_applies(f, g))
			json_figure(group, rates, f, g, before, s, old);
	}
	json_object_set_new(group, "rates", old ? json_incref(rates) : json_null());
	json_decref(rates);
	return group;
}

json_t *stat_json(const struct sample *s, const struct sample *old)
{
	json_t *topics = json_array();
	json_t *groups = json_array();
	size_t i;

	for (i = 0; i < s->nr_topics; i++)
		json_array_append_new(topics, topic_json(&s->topics[i], s, old));
	for (i = 0; i < s->nr_groups; i++)
		json_array_append_new(groups, group_json(&s->groups[i], s, old));
	return json_pack("{s:I s:o s:o s:o}", "time_ns", (json_int_t)s->wall,
			 "interval_ns", old ? json_integer(s->time - old->time) : json_null(),
			 "topics", topics, "groups", groups);
}

/* The name of a metric, with Prometheus' suffix; returns @buf. */
static const char *metric_name(char buf[96], const struct figure_table *table,
			       const struct figure *f)
{
	snprintf(buf, 96, "mqbus_%s_%s%s%s", table->kind, f->name, f->ns ? "_seconds" : "",
		 f->total ? "_total" : "");
	return buf;
}

static void metric_begin(struct text *out, const struct figure_table *table,
			 const struct figure *f)
{
	char name[96];

	metric_name(name, table, f);
	text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, f->help, name,
		    f->total ? "counter" : "gauge");
}

static void label(struct text *out, const char *name, const char *value, const char *behind)
{
	text_printf(out, "%s=\"", name);
	escape_text(out, value, strlen(value), ESCAPE_LABEL);
	text_printf(out, "\"%s", behind);
}

static void metric(struct text *out, const struct figure_table *table, const struct figure *f,
		   const struct text *labels, const void *of)
{
	__u64 value = figure_value(f, of);
	char name[96];

	text_printf(out, "%s{%.*s} ", metric_name(name, table, f), (int)labels->len,
		    labels->data);
	if (f->ns)
		text_printf(out, "%llu.%09llu\n", value / 1000000000, value % 1000000000);
	else
		text_printf(out, "%llu\n", value);
}

void stat_prometheus(const struct sample *s, struct text *out)
{
	const struct sample_group *g;
	const struct mqbus_admin_topic *t;
	const struct figure *f;
	struct text labels = { 0 };

	for (f = figure_topic.figures; f->name; f++) {
		metric_begin(out, &figure_topic, f);
		for (t = s->topics; t < s->topics + s->nr_topics; t++) {
			labels.len = 0;
			label(&labels, "topic", t->name, "");
			metric(out, &figure_topic, f, &labels, t);
		}
	}
	for (f = figure_group.figures; f->name; f++) {
		metric_begin(out, &figure_group, f);
		for (g = s->groups; g < s->groups + s->nr_groups; g++) {
			if (!figure_applies(f, g))
				continue;
			labels.len = 0;
			label(&labels, "topic", g->topic, ",");
			label(&labels, "group", g->name, ",");
			label(&labels, "type", names_group_type(g->type), "");
			metric(out, &figure_group, f, &labels, g);
		}
	}
	text_free(&labels);
}
