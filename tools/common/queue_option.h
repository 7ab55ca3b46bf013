/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a queue group, which several commands take.
 */
#ifndef MQBUS_QUEUE_OPTION_H
#define MQBUS_QUEUE_OPTION_H

#include "cmd.h"
#include "error.h"
#include "mqbus.h"
#include "option.h"

/* The queue group of a topic of dead letters that 'mqbus dlq' is a member of */
#define DLQ_GROUP_DEFAULT "dlq"
/* What a record grows by when it becomes a dead letter, at most */
#define DLQ_HEADERS_BYTES 1024

/**
 * struct queue_options - what was asked for
 * @queue: for the library
 * @fields: bits of MQBUS_GROUP_SET_*: what was given
 * @fixed: whether an option was given that only a new group can have
 */
struct queue_options {
	struct mqbus_queue_options queue;
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

/* Taken into a struct queue_options: what can be changed, and what only a new group can have */
extern const struct option_table queue_option_changeable;
extern const struct option_table queue_option_fixed;

/* Make the group with these options; returns the exit status. */
int queue_option_create(struct error_subject *subject, enum mqbus_whence whence, __u64 value,
			__u32 mode, const struct queue_options *options);
/* Change it to these; returns the exit status. */
int queue_option_set(struct error_subject *subject, const struct queue_options *options);
/* Make the group of a topic of dead letters, unless it is there; returns the exit status. */
int queue_option_letters(const char *topic, const char *group);

#endif /* MQBUS_QUEUE_OPTION_H */
