// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>
#include <string.h>

#include "figure.h"

#define FIELD(type, field)							\
	.offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)
#define TOPIC(field)	FIELD(struct mqbus_admin_topic, field)
#define GROUP(field)	FIELD(struct sample_group, field)
#define QUEUE(field)	GROUP(queue.field), .queue = true

static const struct figure topic_figures[] = {
	{ "records", "Records kept.", TOPIC(records) },
	{ "bytes", "Bytes of records kept.", TOPIC(used) },
	{ "ring_bytes", "Bytes of the ring of each partition.", TOPIC(ring_size) },
	{ "charged_bytes", "Bytes charged for the topic.", TOPIC(charged) },
	{ "partitions", "Partitions.", TOPIC(partitions) },
	{ "groups", "Groups.", TOPIC(groups) },
	{ "producers", "Endpoints open for publishing.", TOPIC(producers) },
	{ "published_records", "Records stored.", .total = true, TOPIC(published) },
	{ "published_bytes", "Bytes stored.", .total = true, TOPIC(published_bytes) },
	{ "evicted_records", "Records evicted before they were settled.",
	  .total = true, TOPIC(evicted) },
	{ "rejected_records", "Records refused because the topic was full.",
	  .total = true, TOPIC(rejected) },
	{ "over_limit_records", "Records refused because of a rate or a share.",
	  .total = true, TOPIC(over_limit) },
	{ "blocked_producers", "Producers that wait now.", TOPIC(blocked) },
	{ "blocked", "Time that producers have waited, all together.",
	  .total = true, .ns = true, TOPIC(blocked_time) },
	{ "waits_full", "Waits of producers for room.", .total = true, TOPIC(waits_full) },
	{ "waits_rate", "Waits of producers for a rate.", .total = true, TOPIC(waits_rate) },
	{ "waits_share", "Waits of producers for their user's share.",
	  .total = true, TOPIC(waits_share) },
	{ 0 }
};

static const struct figure group_figures[] = {
	{ "members", "Members.", GROUP(members) },
	{ "paused", "1 if the group is paused, else 0.", GROUP(paused) },
	{ "lag_records", "Records published and not settled.", GROUP(lag) },
	{ "lag", "Time since the oldest record that is not settled was stored.",
	  .ns = true, GROUP(lag_time) },
	{ "lag_limit_records", "Lag above which there is an event; 0 is none.",
	  GROUP(lag_threshold) },
	{ "settled_records", "Records settled of all ever published; a seek moves it.",
	  GROUP(settled) },
	{ "held_records", "Records handed out and not settled.", GROUP(held) },
	{ "delivered_records", "Deliveries of records, repeated ones included.",
	  .total = true, GROUP(delivered) },
	{ "redelivered_records", "Records handed out again.", .total = true, GROUP(redelivered) },
	{ "lost_records", "Records evicted before they were handed out.",
	  .total = true, GROUP(lost) },
	{ "leased_records", "Records that members hold.", QUEUE(leased) },
	{ "max_inflight_records", "Records that may be in flight.", QUEUE(max_inflight) },
	{ "oldest_inflight", "Time since the oldest record in flight was handed out.",
	  .ns = true, QUEUE(oldest_inflight) },
	{ "key_held_records", "Records held back for their key.", QUEUE(held) },
	{ "retrying_records", "Records in the retry ring.", QUEUE(retrying) },
	{ "retry_bytes", "Bytes in use of the retry ring.", QUEUE(retry_used) },
	{ "dlq_blocked_records", "Dead letters that wait for room in their topic.",
	  QUEUE(dlq_blocked) },
	{ "acked_records", "Records acked.", .total = true, QUEUE(acked) },
	{ "nacked_records", "Records nacked, to be retried.", .total = true, QUEUE(nacked) },
	{ "released_records", "Records released.", .total = true, QUEUE(released) },
	{ "rejected_records", "Records rejected.", .total = true, QUEUE(rejected) },
	{ "expired_leases", "Leases that expired.", .total = true, QUEUE(expired) },
	{ "died_leases", "Leases that ended with their member.", .total = true, QUEUE(died) },
	{ "member_deaths", "Members that left while they held leases.",
	  .total = true, QUEUE(deaths) },
	{ "dead_lettered_records", "Records that became dead letters.",
	  .total = true, QUEUE(dead_lettered) },
	{ "discarded_records", "Records given up.", .total = true, QUEUE(discarded) },
	{ 0 }
};

const struct figure_table figure_topic = { "topic", topic_figures };
const struct figure_table figure_group = { "group", group_figures };

__u64 figure_value(const struct figure *f, const void *of)
{
	const char *p = (const char *)of + f->offset;
	__u64 wide;
	__u32 narrow;

	if (f->size == sizeof(narrow)) {
		memcpy(&narrow, p, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, p, sizeof(wide));
	return wide;
}

bool figure_applies(const struct figure *f, const struct sample_group *g)
{
	return !f->queue || g->type == MQBUS_GROUP_QUEUE;
}
