/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a topic, which several commands take.
 */
#ifndef MQBUS_TOPIC_OPTION_H
#define MQBUS_TOPIC_OPTION_H

#include "error.h"
#include "mqbus.h"
#include "option.h"

/**
 * struct topic_options - what was asked for
 * @config: for the library
 * @fields: bits of MQBUS_TOPIC_SET_*: what was given
 * @fixed: whether an option was given that only a new topic can have
 */
struct topic_options {
	struct mqbus_topic_config config;
	__u32 fields;
	bool fixed;
};

/* Into a struct topic_options: options of new topics only, and the others */
extern const struct option_table topic_option_fixed;
extern const struct option_table topic_option_changeable;
/* Those of a topic that has a queue group: it cannot evict */
extern const struct option_table topic_option_of_queue;

/* Create the topic; returns the exit status. */
int topic_option_create(struct error_subject *subject, const struct mqbus_topic_config *config);
/* Bytes of the largest record: the kernel's default. */
__u64 topic_option_max_record(const struct mqbus_topic_config *config);
/* Print the new topic. */
void topic_option_tell(const char *name, const struct mqbus_topic_config *config);

#endif /* MQBUS_TOPIC_OPTION_H */
