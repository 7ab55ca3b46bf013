/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus topic is two files: topic.c, and topic_create.c for what has many options,
 * which mqbus queue takes as well.
 */
#ifndef MQBUS_TOPIC_H
#define MQBUS_TOPIC_H

#include "error.h"
#include "mqbus.h"

enum {
	OPT_TOPIC_MODE = 640,
	OPT_TOPIC_OWNER,
};

#define TOPIC_OPTION_LETTERS "n:s:f:m:r:"
/* Room that a table for getopt_long() needs for them */
#define TOPIC_OPTION_COUNT 7

/* The lines of a help that describe them */
#define TOPIC_HELP								\
	"  -n, --partitions N|per-cpu  rings (default 1); per-cpu: one for each CPU,\n" \
	"                              without any order\n"	\
	"  -s, --size BYTES            of each ring (default 1M), rounded up to a power of two\n" \
	"  -f, --full block|reject|evict\n"			\
	"                              what a full topic does: the producer waits (default),\n" \
	"                              it gets an error, the oldest records go\n" \
	"  -m, --max-record BYTES      largest record (default 64K, at most 1/4 of the ring)\n" \
	"  -r, --retention TIME        records go after this time (default: only for space)\n" \
	"      --mode OCTAL            r subscribes, w publishes (default 0666 less the umask)\n" \
	"      --owner UID[:GID]       numbers or names (default: the caller)\n"

/* Append them to a table for getopt_long() that has TOPIC_OPTION_COUNT elements more. */
void topic_option_append(struct option *table);
/* Take one option, with optarg; returns the exit status. */
int topic_option(struct mqbus_topic_config *config, int opt);
/* Make the topic; returns the exit status. */
int topic_option_create(struct error_subject *subject, const struct mqbus_topic_config *config);
/* Bytes of the largest record: the kernel's rule, for a topic that does not say. */
__u64 topic_option_max_record(const struct mqbus_topic_config *config);
/* Say what was made. */
void topic_option_tell(const char *name, const struct mqbus_topic_config *config);

int topic_create(int argc, char **argv);

#endif /* MQBUS_TOPIC_H */
