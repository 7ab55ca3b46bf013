// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "output.h"
#include "report.h"

static void print_options(const struct mqbus_admin_queue *q)
{
	char a[32], b[32];

	if (q->flags & MQBUS_QUEUE_F_AT_MOST_ONCE)
		output_field("delivery", "at most once");
	if (q->flags & MQBUS_QUEUE_F_KEY_EXCLUSIVE)
		output_field("keys", "one record of a key at a time");
	output_field("lease", "%s",
		     q->lease ? output_duration(a, q->lease) : "as long as the member lives");
	if (q->max_attempts == MQBUS_ANY)
		output_field("limit", "none");
	else
		output_field("limit", "%u failures", q->max_attempts);
	if (q->backoff_min)
		output_field("backoff", "%s to %s, times %g, less up to %u%%",
			     output_duration(a, q->backoff_min), output_duration(b, q->backoff_max),
			     q->backoff_factor / 100.0, q->backoff_jitter);
	else
		output_field("backoff", "none");
	output_field("dlq", "%s", *q->dlq ? q->dlq : "none");
	output_field("charged", "%s", output_size(a, q->charged));
}

static void print_state(const struct mqbus_admin_queue *q)
{
	char a[32], b[32];

	if (q->credit)
		snprintf(a, sizeof(a), ", up to %u of a member", q->credit);
	output_field("in flight", "%u of %u%s; %u leased, %u held back for their key", q->inflight,
		     q->max_inflight, q->credit ? a : "", q->leased, q->held);
	output_field("retrying", "%u (%s of %s)", q->retrying, output_size(a, q->retry_used),
		     output_size(b, q->retry_size));
	if (q->dlq_blocked)
		output_field("blocked", "%u dead letters: their topic has no room, or is gone",
			     q->dlq_blocked);
	output_field("delivered", "%llu, %llu of them again", q->delivered, q->redelivered);
}

void report_queue(const struct mqbus_admin_queue *q)
{
	struct table table = { 0 };

	print_options(q);
	print_state(q);
	putchar('\n');
	table_head(&table,
		   ">ACKED\t>NACKED\t>RELEASED\t>REJECTED\t>EXTENDED\t>EXPIRED\t>DIED\t>DEATHS\t>DEAD\t>DISCARDED");
	table_row(&table, "%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%u\t%llu\t%llu",
		  q->acked, q->nacked, q->released, q->rejected, q->extended, q->expired,
		  q->died, q->deaths, q->dead_lettered, q->discarded);
	table_print(&table);
}

static json_t *options_json(const struct mqbus_admin_queue *q)
{
	json_t *limit = q->max_attempts == MQBUS_ANY ? json_null() : json_integer(q->max_attempts);
	json_t *dlq = *q->dlq ? json_string(q->dlq) : json_null();

	return json_pack("{s:b s:b s:I s:I s:o s:I s:I s:I s:f s:I s:I s:o s:I}",
			 "at_most_once", !!(q->flags & MQBUS_QUEUE_F_AT_MOST_ONCE),
			 "key_exclusive", !!(q->flags & MQBUS_QUEUE_F_KEY_EXCLUSIVE),
			 "max_inflight", (json_int_t)q->max_inflight,
			 "credit", (json_int_t)q->credit,
			 "limit", limit,
			 "lease_ns", (json_int_t)q->lease,
			 "backoff_min_ns", (json_int_t)q->backoff_min,
			 "backoff_max_ns", (json_int_t)q->backoff_max,
			 "backoff_factor", q->backoff_factor / 100.0,
			 "backoff_jitter_percent", (json_int_t)q->backoff_jitter,
			 "retry_size", (json_int_t)q->retry_size,
			 "dlq", dlq,
			 "charged", (json_int_t)q->charged);
}

json_t *report_queue_json(const struct mqbus_admin_queue *q)
{
	const struct {
		const char *name;
		__u64 value;
	} figures[] = {
		{ "inflight", q->inflight },
		{ "leased", q->leased },
		{ "held", q->held },
		{ "retrying", q->retrying },
		{ "retry_used", q->retry_used },
		{ "dlq_blocked", q->dlq_blocked },
		{ "delivered", q->delivered },
		{ "redelivered", q->redelivered },
		{ "acked", q->acked },
		{ "nacked", q->nacked },
		{ "released", q->released },
		{ "rejected", q->rejected },
		{ "extended", q->extended },
		{ "expired", q->expired },
		{ "died", q->died },
		{ "deaths", q->deaths },
		{ "dead_lettered", q->dead_lettered },
		{ "discarded", q->discarded },
	};
	json_t *queue = options_json(q);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(figures); i++)
		json_object_set_new(queue, figures[i].name, json_integer(figures[i].value));
	return queue;
}
