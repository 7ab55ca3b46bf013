// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mqbus_admin.h"
#include "output.h"
#include "parse.h"
#include "queue_option.h"

#define TIME_EXPECTED "a time such as 30s or 500ms"
/* No dead letter is smaller: its new headers alone take as much */
#define LETTER_MIN 256

enum {
	OPT_MAX_INFLIGHT = OPTION_LONG, OPT_CREDIT, OPT_LEASE, OPT_LIMIT, OPT_BACKOFF, OPT_DLQ,
	/* Only of a new group */
	OPT_AT_MOST_ONCE, OPT_KEY_EXCLUSIVE, OPT_RETRY_SIZE,
};

static int take_number(const char *option, __u32 *out)
{
	if (parse_u32(optarg, MQBUS_ANY - 1, out))
		return cmd_bad_value(option, optarg, "a number");
	return STATUS_OK;
}

static int take_limit(struct mqbus_queue_options *queue)
{
	if (!strcmp(optarg, "none"))
		queue->max_attempts = MQBUS_ANY;
	else if (parse_u32(optarg, MQBUS_ANY - 1, &queue->max_attempts) || !queue->max_attempts)
		return cmd_bad_value("--limit", optarg, "1 or more failures, or none");
	return STATUS_OK;
}

static int take_dlq(struct mqbus_queue_options *queue)
{
	const char *name = strcmp(optarg, "none") ? optarg : "";

	if (strlen(name) >= sizeof(queue->dlq))
		return cmd_usage_error("--dlq: a name has at most %zu bytes",
				       sizeof(queue->dlq) - 1);
	memset(queue->dlq, 0, sizeof(queue->dlq));
	memcpy(queue->dlq, name, strlen(name));
	return STATUS_OK;
}

static int take_retry_size(struct mqbus_queue_options *queue)
{
	__u64 size;

	if (parse_size(optarg, &size) || parse_round_up(&size))
		return cmd_bad_value("--retry-size", optarg, "bytes such as 64K or 1M");
	queue->retry_size = size;
	return STATUS_OK;
}

static int take_option(void *into, int key)
{
	static const __u32 fields[] = {
		[OPT_MAX_INFLIGHT - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_MAX_INFLIGHT,
		[OPT_CREDIT - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_CREDIT,
		[OPT_LEASE - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_LEASE,
		[OPT_LIMIT - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_MAX_ATTEMPTS,
		[OPT_BACKOFF - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_BACKOFF,
		[OPT_DLQ - OPT_MAX_INFLIGHT] = MQBUS_GROUP_SET_DLQ,
	};
	struct queue_options *options = into;
	struct mqbus_queue_options *queue = &options->queue;

	if (key < OPT_AT_MOST_ONCE)
		options->fields |= fields[key - OPT_MAX_INFLIGHT];
	else
		options->fixed = true;
	switch (key) {
	case OPT_MAX_INFLIGHT:
		return take_number("--max-inflight", &queue->max_inflight);
	case OPT_CREDIT:
		return take_number("--credit", &queue->credit);
	case OPT_LEASE:
		if (parse_duration(optarg, (__u64 *)&queue->lease))
			return cmd_bad_value("--lease", optarg, TIME_EXPECTED);
		break;
	case OPT_LIMIT:
		return take_limit(queue);
	case OPT_BACKOFF:
		if (parse_backoff(optarg, queue))
			return cmd_bad_value("--backoff", optarg, BACKOFF_EXPECTED);
		break;
	case OPT_DLQ:
		return take_dlq(queue);
	case OPT_AT_MOST_ONCE:
		queue->flags |= MQBUS_QUEUE_F_AT_MOST_ONCE;
		break;
	case OPT_KEY_EXCLUSIVE:
		queue->flags |= MQBUS_QUEUE_F_KEY_EXCLUSIVE;
		break;
	case OPT_RETRY_SIZE:
		return take_retry_size(queue);
	}
	return STATUS_OK;
}

static const struct option_row changeable[] = {
	{ "max-inflight", OPT_MAX_INFLIGHT, "N",
	  "records handed out and not settled (default 1024)" },
	{ "credit", OPT_CREDIT, "N", "of these, how many one member may hold (default: all)" },
	{ "lease", OPT_LEASE, "TIME", "time to settle a record (default: while its member lives)" },
	{ "limit", OPT_LIMIT, "N|none",
	  "failures until a record is a dead letter (default 5;\n"
	  "without --dlq: none); a release is no failure" },
	{ "backoff", OPT_BACKOFF, "MIN[:MAX[:FACTOR[:JITTER%]]]",
	  "wait between attempts (default 100ms:1m:2:20%; with\n"
	  "MIN alone: up to 1m, times 2, exact; 0: none)" },
	{ "dlq", OPT_DLQ, "TOPIC|none", "topic for dead letters" },
	{ 0 }
};

static const struct option_row fixed[] = {
	{ "at-most-once", OPT_AT_MOST_ONCE, NULL,
	  "settle records when handed out, never retry them" },
	{ "key-exclusive", OPT_KEY_EXCLUSIVE, NULL,
	  "hand out one record of a key at a time, in order" },
	{ "retry-size", OPT_RETRY_SIZE, "BYTES",
	  "ring of records that wait for a retry (default: four\n"
	  "largest records, at least 64K), rounded up to a power of two" },
	{ 0 }
};

const struct option_table queue_option_changeable = {
	.rows = changeable, .column = 28, .take = take_option,
};

const struct option_table queue_option_fixed = {
	.rows = fixed, .column = 28, .take = take_option,
};

/* ERANGE is one errno for many numbers: find the wrong one. */
static int report_range(const struct error_subject *s, const struct queue_options *options,
			__u32 made)
{
	const struct mqbus_queue_options *q = &options->queue;
	__u32 factor = q->backoff_factor ? q->backoff_factor : MQBUS_BACKOFF_FACTOR_DEFAULT;
	__u64 min = q->backoff_min != MQBUS_BACKOFF_NONE ? q->backoff_min : 0;

	if (q->max_inflight > MQBUS_INFLIGHT_MAX)
		return error_say(s, "up to %u records may be in flight, not %u (--max-inflight)",
				 MQBUS_INFLIGHT_MAX, q->max_inflight);
	if (q->credit > MQBUS_INFLIGHT_MAX)
		return error_say(s, "a member may hold up to %u records, not %u (--credit)",
				 MQBUS_INFLIGHT_MAX, q->credit);
	if (q->max_attempts > MQBUS_ATTEMPTS_MAX && q->max_attempts != MQBUS_ANY)
		return error_say(s, "a limit is 1 to %u failures or none, not %u (--limit)",
				 MQBUS_ATTEMPTS_MAX, q->max_attempts);
	if (q->lease > MQBUS_DELAY_MAX)
		return error_say(s, "a lease lasts up to 30 days (--lease)");
	if (min > MQBUS_DELAY_MAX || q->backoff_max > MQBUS_DELAY_MAX)
		return error_say(s, "a backoff is up to 30 days (--backoff)");
	if (q->backoff_max < min)
		return error_say(s, "a backoff's MAX is not less than its MIN (--backoff)");
	if (factor < 100 || factor > 10000)
		return error_say(s, "a backoff's factor is 1 to 100, not %g (--backoff)",
				 factor / 100.0);
	if (q->backoff_jitter > 100)
		return error_say(s, "a backoff's jitter is 0 to 100%%, not %u%% (--backoff)",
				 q->backoff_jitter);
	if (made && q->max_inflight)
		return error_say(s,
				 "at most as many records may be in flight as the group was made with, not %u (--max-inflight; group delete, group create)",
				 q->max_inflight);
	return error_say(s, "a retry ring has %llu to %llu bytes, not %llu (--retry-size)",
			 MQBUS_RING_MIN, MQBUS_RETRY_MAX, (__u64)q->retry_size);
}

static int report_error(struct error_subject *s, const struct queue_options *options, int err,
			bool made)
{
	const struct mqbus_queue_options *q = &options->queue;

	s->dlq = *q->dlq ? q->dlq : NULL;
	s->bytes = q->max_inflight ? q->max_inflight : MQBUS_INFLIGHT_DEFAULT;
	if (err == -ERANGE)
		return report_range(s, options, made);
	if (err == -EINVAL && q->max_attempts && q->max_attempts != MQBUS_ANY && !s->dlq)
		return error_say(s,
				 "after %u failures there would be nowhere for a record to go: name a topic of dead letters (--dlq), or no limit (--limit none)",
				 q->max_attempts);
	if (err == -EMSGSIZE && !s->dlq)
		return error_say(s,
				 "two of the largest records would not fit into the retry ring (--retry-size; topic show: max record)");
	return error_report(s, err);
}

int queue_option_create(struct error_subject *subject, struct mqbus_group_create *args,
			const struct queue_options *options)
{
	int ret;

	subject->action = DO_QUEUE_CREATE;
	args->type = MQBUS_GROUP_QUEUE;
	args->queue = options->queue;
	ret = mqbus_group_make(subject->topic, subject->group, args);
	return ret ? report_error(subject, options, ret, false) : STATUS_OK;
}

int queue_option_set(struct error_subject *subject, const struct queue_options *options)
{
	int ret;

	subject->action = DO_QUEUE_SET;
	ret = mqbus_queue_set(subject->topic, subject->group, options->fields,
			      &options->queue);
	return ret ? report_error(subject, options, ret, true) : STATUS_OK;
}

/*
 * All letters are held while they are examined, or the same ones would come again;
 * so max_inflight is as many as the topic has room for.
 */
int queue_option_letters(const char *topic, const char *group, __u32 flags)
{
	struct error_subject subject = {
		.action = DO_QUEUE_CREATE,
		.topic = topic,
		.group = group,
	};
	struct mqbus_group_create args = {
		.flags = flags,
		.type = MQBUS_GROUP_QUEUE,
		.whence = MQBUS_WHENCE_EARLIEST,
		.queue.max_attempts = MQBUS_ANY,
	};
	struct mqbus_admin_topic found;
	__u64 room;
	int ret;

	ret = mqbus_admin_topic_get(topic, &found);
	if (!ret) {
		room = found.partitions * found.ring_size / LETTER_MIN;
		if (room < MQBUS_INFLIGHT_DEFAULT)
			room = MQBUS_INFLIGHT_DEFAULT;
		args.queue.max_inflight = room < MQBUS_INFLIGHT_MAX ? room : MQBUS_INFLIGHT_MAX;
		args.mode = found.mode & 0666;
		ret = mqbus_group_make(topic, group, &args);
	}
	return ret && ret != -EEXIST ? error_report(&subject, ret) : STATUS_OK;
}
