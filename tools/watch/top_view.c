// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/escape.h"
#include "common/names.h"
#include "common/output.h"
#include "top.h"

const char * const top_view_names[TOP_VIEWS] = { "topics", "groups", "members" };

static const struct top_column topic_columns[] = {
	{ "TOPIC", 16, .wide = true },
	{ "RECORDS", 9, .right = true },
	{ "USED", 10, .right = true },
	{ "IN/S", 8, .right = true },
	{ "BYTES/S", 10, .right = true },
	{ "BLOCKED", 7, .right = true },
};

static const struct top_column group_columns[] = {
	{ "TOPIC", 13, .wide = true },
	{ "GROUP", 13, .wide = true },
	{ "MEMB", 4, .right = true },
	{ "LAG", 9, .right = true },
	{ "AGE", 7, .right = true },
	{ "OUT/S", 7, .right = true },
	{ "STATE", 7, .right = false },
};

static const struct top_column member_columns[] = {
	{ "TOPIC", 13, .wide = true },
	{ "GROUP", 13, .wide = true },
	{ "MEMBER", 12, .wide = true },
	{ "STATE", 8, .right = false },
	{ "PID", 7, .right = true },
	{ "COMMAND", 15, .right = false },
	{ "HAS", 5, .right = true },
};

const struct top_column *top_view_columns(int view, int *n)
{
	static const struct {
		const struct top_column *columns;
		int n;
	} views[TOP_VIEWS] = {
		[TOP_TOPICS] = { topic_columns, ARRAY_SIZE(topic_columns) },
		[TOP_GROUPS] = { group_columns, ARRAY_SIZE(group_columns) },
		[TOP_MEMBERS] = { member_columns, ARRAY_SIZE(member_columns) },
	};

	*n = views[view].n;
	return views[view].columns;
}

const char *top_view_spark(int view)
{
	static const char * const sparks[TOP_VIEWS] = { "RATE", "LAG", NULL };

	return sparks[view];
}

static struct top_row *row_add(struct top_rows *rows)
{
	rows->list = reallocarray(rows->list, rows->n + 1, sizeof(*rows->list));
	if (!rows->list)
		abort();
	return memset(&rows->list[rows->n++], 0, sizeof(*rows->list));
}

static void set_text(struct top_row *row, int column, const char *s)
{
	escape_cut(row->cell[column], TOP_CELL, s, strlen(s));
}

static void set_number(struct top_row *row, int column, double value)
{
	snprintf(row->cell[column], TOP_CELL, "%.0f", value);
	row->key[column] = value;
}

static void set_bytes(struct top_row *row, int column, double value)
{
	output_size(row->cell[column], value);
	row->key[column] = value;
}

static void set_time(struct top_row *row, int column, __u64 ns)
{
	output_time(row->cell[column], ns);
	row->key[column] = ns;
}

static void fill_topics(struct top *t)
{
	const struct sample *s = &t->sample, *old = &t->old;
	const struct mqbus_admin_topic *p;

	for (p = s->topics; p < s->topics + s->nr_topics; p++) {
		const struct mqbus_admin_topic *b = sample_topic(old, p->name);
		struct top_row *row = row_add(&t->rows);

		set_text(row, 0, p->name);
		set_number(row, 1, p->records);
		set_bytes(row, 2, p->used);
		set_number(row, 3, b ? sample_rate(old, s, b->published, p->published) : 0);
		set_bytes(row, 4, b ? sample_rate(old, s, b->published_bytes,
						  p->published_bytes) : 0);
		set_number(row, 5, p->blocked);
		row->history = history_find(&t->histories, p->name, "");
	}
}

static void fill_groups(struct top *t)
{
	const struct sample *s = &t->sample, *old = &t->old;
	const struct sample_group *g;

	for (g = s->groups; g < s->groups + s->nr_groups; g++) {
		const struct sample_group *b = sample_group(old, g->topic, g->name);
		struct top_row *row = row_add(&t->rows);
		enum window_state state;

		row->history = history_find(&t->histories, g->topic, g->name);
		state = window_judge(&row->history->window, g);
		set_text(row, 0, g->topic);
		set_text(row, 1, g->name);
		set_number(row, 2, g->members);
		set_number(row, 3, g->lag);
		set_time(row, 4, g->lag_time);
		set_number(row, 5, b ? sample_rate(old, s, b->delivered, g->delivered) : 0);
		set_text(row, 6, window_state_name(state));
		row->key[6] = state;
	}
}

static int fill_members(struct top *t)
{
	struct mqbus_admin_member *members;
	size_t n, i;
	int ret;

	ret = mqbus_admin_member_list(t->topic, NULL, &members, &n);
	if (ret)
		return ret;
	for (i = 0; i < n; i++) {
		const struct mqbus_admin_member *m = &members[i];
		struct top_row *row = row_add(&t->rows);

		set_text(row, 0, m->topic);
		set_text(row, 1, m->group);
		set_text(row, 2, *m->id ? m->id : "-");
		set_text(row, 3, names_member_state(m->state));
		set_number(row, 4, m->pid);
		set_text(row, 5, m->comm);
		/* Of a stream group, or of a queue group */
		set_number(row, 6, m->partitions + m->leases);
	}
	free(members);
	return 0;
}

/* Only rows with the filter in a name, or in a member's command. */
static void filter(struct top *t)
{
	int columns, i;
	const struct top_column *column = top_view_columns(t->view, &columns);
	size_t n = 0, row;

	for (row = 0; row < t->rows.n; row++) {
		for (i = 0; i < columns; i++) {
			if (!column[i].right && strstr(t->rows.list[row].cell[i], t->filter))
				break;
		}
		if (i < columns)
			t->rows.list[n++] = t->rows.list[row];
	}
	t->rows.n = n;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct top_row *p = a, *q = b;
	const struct top *t = arg;
	int column = t->sort[t->view];
	int ret, i;

	ret = (p->key[column] > q->key[column]) - (p->key[column] < q->key[column]);
	if (!ret)
		ret = strcmp(p->cell[column], q->cell[column]);
	if (t->down[t->view])
		ret = -ret;
	/* The same order each time, so that lines do not jump */
	for (i = 0; !ret && i < 5; i++)
		ret = strcmp(p->cell[i], q->cell[i]);
	return ret;
}

int top_view_update(struct top *t)
{
	int ret = 0;

	t->rows.n = 0;
	if (t->view == TOP_TOPICS)
		fill_topics(t);
	else if (t->view == TOP_GROUPS)
		fill_groups(t);
	else
		ret = fill_members(t);
	if (ret)
		return ret;
	filter(t);
	if (t->rows.n)
		qsort_r(t->rows.list, t->rows.n, sizeof(*t->rows.list), compare_rows, t);
	return 0;
}
