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

/* The queue group in a topic for dead letters that 'mqbus dlq' joins */
#define DLQ_GROUP_DEFAULT "dlq"
/* The maximum growth of a record that becomes a dead letter */
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

/* Into a struct queue_options: options that can be changed, and those of new groups only */
extern const struct option_table queue_option_changeable;
extern const struct option_table queue_option_fixed;

/* Create the group as @args says, with these options; returns the exit status. */
int queue_option_create(struct error_subject *subject, struct mqbus_group_create *args,
			const struct queue_options *options);
/* Change the group to these; returns the exit status. */
int queue_option_set(struct error_subject *subject, const struct queue_options *options);
/* Create the group in a topic for dead letters, unless it exists; returns the exit status. */
int queue_option_letters(const char *topic, const char *group, __u32 flags);

#endif /* MQBUS_QUEUE_OPTION_H */
