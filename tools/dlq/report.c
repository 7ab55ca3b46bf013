// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/escape.h"
#include "dlq.h"
#include "mqbus_admin.h"

/* Names and keys are cut to this in a table */
#define CELL_MAX 40

/* A field, escaped; "-" without it. */
static const char *field_text(char *buf, size_t size, const struct dlq_letter *l,
			      enum dlq_field field)
{
	if (!l->field[field].name)
		return "-";
	return escape_cut(buf, size, l->field[field].value, l->field[field].value_len);
}

/* ns of CLOCK_REALTIME as a local date; returns @buf. */
static const char *date(char buf[32], __u64 ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;

	if (!ns || !localtime_r(&seconds, &tm))
		return "-";
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

/* Its original place: topic/partition/offset; returns @buf. */
static const char *origin(char buf[256], struct dlq *d, const struct dlq_letter *l)
{
	char topic[MQBUS_NAME_SIZE];

	if (!dlq_letter_dead(l))
		return "(no dead letter)";
	if (!l->field[DLQ_TOPIC].name)
		return "- (unverified)";
	snprintf(buf, 256, "%s/%llu/%llu%s", field_text(topic, sizeof(topic), l, DLQ_TOPIC),
		 dlq_letter_number(l, DLQ_PARTITION), dlq_letter_number(l, DLQ_OFFSET),
		 dlq_origin_verified(d, l) ? "" : " (unverified)");
	return buf;
}

static void table_begin(struct dlq *d)
{
	if (!d->table.n)
		table_head(&d->table,
			   "LAST\tORIGIN\tGROUP\tREASON\t>ATTEMPTS\t>PID\t>BYTES\tKEY");
}

void dlq_table_add(struct dlq *d, const struct dlq_letter *l)
{
	char when[32], from[256], group[MQBUS_NAME_SIZE], reason[16], key[CELL_MAX];
	const void *part;
	size_t len;

	table_begin(d);
	part = mqbus_record_key(l->record, &len);
	table_row(&d->table, "%s\t%s\t%s\t%s\t%llu\t%llu\t%u\t%s",
		  date(when, dlq_letter_number(l, DLQ_LAST)), origin(from, d, l),
		  field_text(group, sizeof(group), l, DLQ_GROUP),
		  field_text(reason, sizeof(reason), l, DLQ_REASON),
		  dlq_letter_number(l, DLQ_ATTEMPTS), dlq_letter_number(l, DLQ_PID),
		  l->record->value_len, escape_cut(key, sizeof(key), part, len));
}

/* What the kernel's headers tell; null if there are none. */
static json_t *death_json(struct dlq *d, const struct dlq_letter *l)
{
	json_t *dead;
	size_t i;

	if (!dlq_letter_dead(l))
		return json_null();
	dead = json_object();
	for (i = 0; i < DLQ_FIELDS; i++) {
		const struct mqbus_header_view *h = &l->field[i];

		if (!h->name)
			continue;
		if (i == DLQ_TOPIC || i == DLQ_GROUP || i == DLQ_REASON)
			json_object_set_new(dead, dlq_field_name(i),
					    escape_json(h->value, h->value_len));
		else
			json_object_set_new(dead, dlq_field_name(i),
					    json_integer(dlq_letter_number(l, i)));
	}
	json_object_set_new(dead, "verified", json_boolean(dlq_origin_verified(d, l)));
	return dead;
}

/* A letter in full; headers added by the kernel are left out of its headers. */
static json_t *letter_json(struct dlq *d, const struct dlq_letter *l)
{
	const struct format_source from = {
		.topic = d->subject.topic,
		.partition = l->lease->partition,
		.lease = l->lease,
	};
	json_t *o = format_object(&from, l->record);
	json_t *headers = json_object_get(o, "headers");
	const char *name;
	size_t i;

	for (i = json_array_size(headers); i-- > 0;) {
		name = json_string_value(json_object_get(json_array_get(headers, i), "name"));
		if (name && !strncmp(name, MQBUS_DLQ_PREFIX, strlen(MQBUS_DLQ_PREFIX)))
			json_array_remove(headers, i);
	}
	if (!json_array_size(headers))
		json_object_del(o, "headers");
	json_object_set_new(o, "dead", death_json(d, l));
	json_object_del(o, "lease");
	json_object_del(o, "attempt");
	return o;
}

static enum dlq_verdict list_one(struct dlq *d, const struct dlq_letter *l)
{
	json_t *o;

	if (!d->json) {
		dlq_table_add(d, l);
		return DLQ_KEEP;
	}
	o = letter_json(d, l);
	json_object_del(o, "value");
	json_object_del(o, "value_base64");
	json_object_set_new(o, "value_bytes", json_integer(l->record->value_len));
	json_array_append_new(d->list, o);
	return DLQ_KEEP;
}

static void show_part(const char *title, const void *data, size_t len)
{
	struct text text = { 0 };

	if (!len)
		return;
	text_printf(&text, "%-11s ", title);
	escape_text(&text, data, len, 0);
	text_add(&text, "\n", 1);
	text_write(&text, stdout);
}

static void show_headers(const struct mqbus_record *r)
{
	struct mqbus_header_view h;
	struct text text = { 0 };
	__u32 iter = 0;

	while (mqbus_record_header(r, &iter, &h)) {
		if (dlq_header_added(&h))
			continue;
		text.len = 0;
		text_add(&text, h.name, h.name_len);
		text_add(&text, "=", 1);
		text_add(&text, h.value, h.value_len);
		show_part("header", text.data, text.len);
	}
	text_free(&text);
}

/* The letter's group, and why it was given up. */
static void show_death(const struct dlq_letter *l)
{
	char when[32], text[MQBUS_NAME_SIZE];

	output_field("group", "%s", field_text(text, sizeof(text), l, DLQ_GROUP));
	output_field("reason", "%s, attempts: %llu",
		     field_text(text, sizeof(text), l, DLQ_REASON),
		     dlq_letter_number(l, DLQ_ATTEMPTS));
	output_field("first try", "%s", date(when, dlq_letter_number(l, DLQ_FIRST)));
	output_field("given up", "%s", date(when, dlq_letter_number(l, DLQ_LAST)));
	output_field("process", "%llu of user %llu", dlq_letter_number(l, DLQ_PID),
		     dlq_letter_number(l, DLQ_UID));
}

static enum dlq_verdict show_one(struct dlq *d, const struct dlq_letter *l)
{
	char from[256];
	const void *part;
	size_t len;

	if (d->json) {
		json_array_append_new(d->list, letter_json(d, l));
		return DLQ_KEEP;
	}
	if (d->matched > 1)
		putchar('\n');
	output_field("letter", "%s/%u/%llu", d->subject.topic, l->lease->partition,
		     (__u64)l->lease->offset);
	output_field("origin", "%s", origin(from, d, l));
	if (dlq_letter_dead(l))
		show_death(l);
	part = mqbus_record_key(l->record, &len);
	show_part("key", part, len);
	part = mqbus_record_routing_key(l->record, &len);
	show_part("routing key", part, len);
	show_headers(l->record);
	part = mqbus_record_value(l->record, &len);
	output_field("bytes", "%zu", len);
	show_part("value", part, len);
	return DLQ_KEEP;
}

/* Report each letter by @take: add it to the table or the list of all, or print it. */
static int look(struct dlq *d, enum dlq_verdict (*take)(struct dlq *d, const struct dlq_letter *l))
{
	int ret;

	d->take = take;
	d->list = json_array();
	ret = dlq_sweep(d);
	if (!ret && d->json)
		return output_json(d->list);
	json_decref(d->list);
	return ret;
}

/* With its heading, even if there is no letter. */
static void table_end(struct dlq *d)
{
	table_begin(d);
	table_print(&d->table);
}

int dlq_list(struct dlq *d)
{
	int ret = look(d, list_one);

	if (d->began && !d->json)
		table_end(d);
	return ret;
}

int dlq_show(struct dlq *d)
{
	return look(d, show_one);
}

/* Letters in the topic now, wherever the sweep has ended. */
static __u64 letters_left(const struct dlq *d)
{
	struct mqbus_admin_group *groups;
	__u64 left = 0;
	size_t i, n;

	if (mqbus_admin_group_list(d->subject.topic, d->subject.group, &groups, &n))
		return 0;
	for (i = 0; i < n; i++)
		left += groups[i].lag;
	free(groups);
	return left;
}

int dlq_tell(struct dlq *d, const char *done)
{
	__u64 n = d->dry_run ? d->would : d->settled;
	__u64 left;
	json_t *o;

	if (!d->began)
		return STATUS_OK;
	left = letters_left(d);
	if (d->json) {
		o = json_pack("{s:I s:I s:b}", done, (json_int_t)n, "left", (json_int_t)left,
			      "dry_run", (int)d->dry_run);
		return output_json(o);
	}
	if (d->dry_run)
		table_end(d);
	printf("%llu %s%s, %llu left\n", n, d->dry_run ? "would be " : "", done, left);
	return STATUS_OK;
}

static enum dlq_verdict purge_one(struct dlq *d, const struct dlq_letter *l)
{
	if (!d->dry_run)
		return DLQ_ACK;
	d->would++;
	dlq_table_add(d, l);
	return DLQ_KEEP;
}

int dlq_purge(struct dlq *d)
{
	int ret, told;

	d->take = purge_one;
	ret = dlq_sweep(d);
	told = dlq_tell(d, "purged");
	return ret ? ret : told;
}
