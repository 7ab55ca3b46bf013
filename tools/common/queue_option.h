/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a queue group, which several commands take.
 */
#ifndef MQBUS_QUEUE_OPTION_H
#define MQBUS_QUEUE_OPTION_H

#include "cmd.h"
#include "error.h"
#include "mqbus.h"

/* The queue group of a topic of dead letters that 'mqbus dlq' is a member of */
#define DLQ_GROUP_DEFAULT "dlq"
/* What a record grows by when it becomes a dead letter, at most */
#define DLQ_HEADERS_BYTES 1024

/* Above the letters and what commands number from 256 on */
enum {
	OPT_MAX_INFLIGHT = 512,
	OPT_CREDIT,
	OPT_LEASE,
	OPT_LIMIT,
	OPT_BACKOFF,
	OPT_DLQ,
	/* Only of a new group */
	OPT_AT_MOST_ONCE,
	OPT_KEY_EXCLUSIVE,
	OPT_RETRY_SIZE,
};

/* Room that a table for getopt_long() needs for them */
#define QUEUE_OPTION_COUNT 9

/* The lines of a help that describe them */
#define QUEUE_HELP_CHANGEABLE						\
	"      --max-inflight N      records handed out and not settled (default 1024)\n" \
	"      --credit N            of these, how many one member may hold (default: all)\n" \
	"      --lease TIME          to settle a record (default: while its member lives)\n" \
	"      --limit N|none        failures until a record is a dead letter (default 5;\n" \
	"                            without --dlq: none)\n"	\
	"      --backoff MIN[:MAX[:FACTOR[:JITTER%]]]\n"		\
	"                            wait between attempts (default 100ms:30s:2:20%; with\n" \
	"                            MIN alone: up to 30s, times 2, exact)\n" \
	"      --dlq TOPIC|none      where dead letters go (default: none)\n"

#define QUEUE_HELP_FIXED						\
	"      --at-most-once        settled when handed out, never tried again\n" \
	"      --key-exclusive       one record of a key at a time, in order\n" \
	"      --retry-size BYTES    where records wait for their next attempt (default: four\n" \
	"                            of the largest, at least 64K), rounded up to a power of two\n"

/**
 * struct queue_options - what was asked for
 * @queue: for the library
 * @fields: bits of MQBUS_GROUP_SET_*: what was given
 * @fixed: whether an option was given that only a new group can have
 */
struct queue_options {
	struct mqbus_queue queue;
	__u32 fields;
	bool fixed;
};

/* What the command line makes of a queue group that nothing is said about. */
#define QUEUE_OPTIONS_INIT {						\
	.queue.backoff_min = 100000000,					\
	.queue.backoff_max = 30000000000,				\
	.queue.backoff_factor = 200,					\
	.queue.backoff_jitter = 20,					\
}

/*
 * Append them to a table for getopt_long() that has QUEUE_OPTION_COUNT elements more
 * than it uses; @fixed: also those that only a new group can have.
 */
void queue_option_append(struct option *table, bool fixed);
/* Take one option (OPT_*, with optarg); returns the exit status. */
int queue_option(struct queue_options *options, int opt);
/* Make the group with these options; returns the exit status. */
int queue_option_create(struct error_subject *subject, enum mqbus_whence whence, __u64 value,
			__u32 mode, const struct queue_options *options);
/* Change it to these; returns the exit status. */
int queue_option_set(struct error_subject *subject, const struct queue_options *options);
/* Make the group of a topic of dead letters, unless it is there; returns the exit status. */
int queue_option_letters(const char *topic, const char *group);

#endif /* MQBUS_QUEUE_OPTION_H */
