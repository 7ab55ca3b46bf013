// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "bench.h"
#include "mqbus.h"

static const struct bench_carrier * const carriers[] = { &bench_bus, &bench_mq, &bench_pipe };

static const char *reader_word(const struct bench *b)
{
	return b->carrier == &bench_queue ? "worker" : "consumer";
}

static int report_text(const struct bench *b, double seconds)
{
	printf("%s over %s: %llu messages of %u bytes, batch %u, %u %s%s, verified\n",
	       b->mode, b->carrier->name, b->msgs, b->size, b->batch, b->consumers,
	       reader_word(b), b->consumers == 1 ? "" : "s");
	printf("%.0f msgs/s  %.1f MiB/s  %.1f ns/msg  %.3f s\n", b->msgs / seconds,
	       b->msgs / seconds * b->size / (1 << 20), seconds * 1e9 / b->msgs, seconds);
	return STATUS_OK;
}

static int report_json(const struct bench *b, double seconds)
{
	return output_json(json_pack("{s:s s:s s:I s:I s:I s:I s:f s:f s:f s:b}",
				     "mode", b->mode,
				     "carrier", b->carrier->name,
				     "size", (json_int_t)b->size,
				     "msgs", (json_int_t)b->msgs,
				     "batch", (json_int_t)b->batch,
				     b->carrier == &bench_queue ? "workers" : "consumers",
				     (json_int_t)b->consumers,
				     "seconds", seconds,
				     "msgs_per_second", b->msgs / seconds,
				     "ns_per_msg", seconds * 1e9 / b->msgs,
				     "verified", 1));
}

static int report_settle(const struct bench *b, const struct bench_settle *cost)
{
	if (b->json)
		return output_json(json_pack("{s:s s:I s:I s:I s:I s:f s:f}",
					     "mode", "inflight",
					     "size", (json_int_t)b->size,
					     "msgs", (json_int_t)b->msgs,
					     "batch", (json_int_t)b->batch,
					     "inflight", (json_int_t)b->inflight,
					     "settle_ns_per_msg", cost->settle,
					     "lease_ns_per_msg", cost->lease));
	printf("queue over mqbus: %llu messages of %u bytes, batch %u, ", b->msgs, b->size,
	       b->batch);
	printf("%u in flight, settled in random order\n", b->inflight);
	printf("settle %.1f ns/msg  lease %.1f ns/msg\n", cost->settle, cost->lease);
	return STATUS_OK;
}

static const struct bench_carrier *find_carrier(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(carriers); i++) {
		if (!strcmp(carriers[i]->name, name))
			return carriers[i];
	}
	return NULL;
}

/* A ring that is a power of two and holds a few messages. */
static __u64 ring_size(__u64 wanted, __u32 message)
{
	__u64 size = MQBUS_RING_MIN;

	while (size < wanted || size < 8ULL * message)
		size <<= 1;
	return size;
}

enum { OPT_AGAINST = OPTION_LONG, OPT_ACK };

static int take_option(void *into, int key)
{
	static const char * const acks[] = { "all", "each", "transact" };
	struct bench *b = into;
	__u64 v;

	switch (key) {
	case 's':
		if (parse_size(optarg, &v) || !v || v > MQBUS_RECORD_MAX)
			return cmd_bad_value("--size", optarg, "1 to 256K bytes");
		b->size = v;
		break;
	case 'n':
		if (parse_number(optarg, ULLONG_MAX, &b->msgs) || !b->msgs)
			return cmd_bad_value("--msgs", optarg, "a number");
		break;
	case 'r':
		if (parse_size(optarg, &b->ring) || b->ring > MQBUS_RING_MAX)
			return cmd_bad_value("--ring", optarg, "bytes such as 1M, up to 1G");
		break;
	case OPT_ACK:
		if (parse_choice(acks, ARRAY_SIZE(acks), optarg, &b->ack))
			return cmd_bad_value("--ack", optarg, "all, each or transact");
		break;
	case OPT_AGAINST:
		b->carrier = find_carrier(optarg);
		if (!b->carrier)
			return cmd_bad_value("--against", optarg, "posix-mq or pipe");
		break;
	}
	return STATUS_OK;
}

/* Options of mode queue only; returns the exit status. */
static int queue_complete(struct bench *b)
{
	if (strcmp(b->mode, "queue")) {
		if (b->workers || b->ack || b->inflight)
			return cmd_usage_error("only a queue has workers and acks");
		return STATUS_OK;
	}
	if (b->consumers)
		return cmd_usage_error("a queue has workers (-w)");
	if (b->carrier != &bench_bus)
		return cmd_usage_error("nothing else has a queue with acks (--against)");
	if (b->ack == BENCH_ACK_TRANSACT && b->batch > MQBUS_TRANSACT_MAX / 2)
		return cmd_usage_error("a transaction has %u messages at most (--batch)",
				       MQBUS_TRANSACT_MAX / 2);
	b->carrier = &bench_queue;
	if (b->inflight) {
		if (b->workers > 1)
			return cmd_usage_error("--inflight is about one worker");
		b->workers = 1;
		if (b->batch > b->inflight)
			b->batch = b->inflight;
	}
	b->consumers = b->workers ? b->workers : 4;
	return STATUS_OK;
}

/* Defaults that depend on other options; returns the exit status. */
static int bench_complete(struct bench *b)
{
	__u32 random = 0;
	int ret;

	ret = queue_complete(b);
	if (ret)
		return ret;
	if (!strcmp(b->mode, "pair")) {
		if (b->consumers > 1)
			return cmd_usage_error("a pair has one consumer (fanout has more)");
		b->consumers = 1;
	} else if (!strcmp(b->mode, "fanout")) {
		if (!b->consumers)
			b->consumers = 4;
	} else if (strcmp(b->mode, "queue")) {
		return cmd_usage_error("bench: there is no mode '%s': pair, fanout or queue",
				       b->mode);
	}
	if (b->carrier != &bench_bus && b->carrier != &bench_queue)
		b->batch = 1;
	b->ring = ring_size(b->ring, b->size);
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = 0;
	snprintf(b->topic, sizeof(b->topic), "bench-%d-%08x", getpid(), random);
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "size", 's', "BYTES", "of a message (default 64)" },
	{ "msgs", 'n', "N", "number of messages (default 1000000)" },
	{ "batch", 'b', "N", "messages published, or leased, in a call (default 64)",
	  OPTION_UPTO(struct bench, batch, MQBUS_BATCH_MAX) },
	{ "consumers", 'c', "N", "of fanout (default 4)",
	  OPTION_UPTO(struct bench, consumers, BENCH_CONSUMERS_MAX) },
	{ "workers", 'w', "N", "of queue (default 4)",
	  OPTION_UPTO(struct bench, workers, BENCH_CONSUMERS_MAX) },
	{ "ack", OPT_ACK, "all|each|transact",
	  "of queue: ack all leases at once (default), a\n"
	  "settlement for each, or these in a transaction which also\n"
	  "publishes each to another topic" },
	{ "inflight", 0, "N",
	  "of queue: measure settling in random order, a batch\n"
	  "at a time, while one worker holds N messages",
	  OPTION_UPTO(struct bench, inflight, MQBUS_INFLIGHT_MAX / 2) },
	{ "ring", 'r', "BYTES", "of the topic, which is deleted at the end (default 1M)" },
	{ "against", OPT_AGAINST, "posix-mq|pipe",
	  "the same work over a queue or pipe for each reader,\n"
	  "with a call for each message" },
	{ "json", 'j', OPTION_FLAG(struct bench, json) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus bench pair|fanout|queue [OPTION]...\n\n"
		 "One process publishes, one (pair) or several (fanout) read, each in its own\n"
		 "group; each reader checks every byte of every message and their order. Or (queue)\n"
		 "workers share the messages: each leases some, checks them, and acks them.\n\n",
	.rows = rows,
	.more = "\n"
		"The time is from when all are ready until the last reader has all messages, or the\n"
		"last message is settled.\n",
	.column = 27, .take = take_option,
};

int cmd_bench(int argc, char **argv)
{
	struct bench b = {
		.carrier = &bench_bus,
		.size = 64,
		.msgs = 1000000,
		.batch = 64,
		.ring = 1 << 20,
	};
	struct bench_settle settle;
	double seconds;
	int ret;

	ret = option_parse(&table, argc, argv, &b);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("bench: pair, fanout or queue?");
	b.mode = argv[optind];
	ret = bench_complete(&b);
	if (ret)
		return ret;
	cmd_catch_signals();
	if (b.inflight) {
		ret = bench_settle(&b, &settle);
		return ret ? ret : report_settle(&b, &settle);
	}
	ret = bench_run(&b, &seconds);
	if (ret)
		return ret;
	return b.json ? report_json(&b, seconds) : report_text(&b, seconds);
}
