/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a topic, which several commands take.
 */
#ifndef MQBUS_TOPIC_OPTION_H
#define MQBUS_TOPIC_OPTION_H

#include "error.h"
#include "mqbus.h"

enum {
	OPT_TOPIC_MODE = 640,
	OPT_TOPIC_OWNER,
	OPT_TOPIC_RETENTION_SIZE,
	OPT_TOPIC_RATE,
	OPT_TOPIC_RATE_BYTES,
	OPT_TOPIC_USER_RATE,
	OPT_TOPIC_USER_RATE_BYTES,
	OPT_TOPIC_BURST,
	OPT_TOPIC_SHARE,
	OPT_TOPIC_OVER,
};

#define TOPIC_OPTION_LETTERS "n:s:f:m:r:"
/* Room that a table for getopt_long() needs for them */
#define TOPIC_OPTION_COUNT 15

/* The lines of a help that describe them */
#define TOPIC_HELP								\
	"  -n, --partitions N|per-cpu  rings (default 1); per-cpu: one for each CPU,\n" \
	"                              without any order\n"	\
	"  -s, --size BYTES            of each ring (default 1M), rounded up to a power of two\n" \
	"  -m, --max-record BYTES      largest record (default 64K, at most 1/4 of the ring)\n" \
	TOPIC_HELP_CHANGEABLE

#define TOPIC_HELP_CHANGEABLE							\
	"  -f, --full block|reject|evict\n"			\
	"                              what a full topic does: the producer waits (default),\n" \
	"                              it gets an error, the oldest records go\n" \
	"  -r, --retention TIME        records go after this time (default: only for space)\n" \
	"      --retention-size BYTES  or when a ring has more than this\n" \
	"      --mode OCTAL            r subscribes, w publishes (default 0666 less the umask)\n" \
	"      --owner UID[:GID]       numbers or names (default: the caller)\n" \
	"      --rate N/s              records a second, of all producers together\n" \
	"      --rate-bytes BYTES/s    and bytes, as they lie in the ring\n" \
	"      --user-rate N/s, --user-rate-bytes BYTES/s\n"	\
	"                              of the producers of each user\n" \
	"      --burst TIME            for which a rate may be saved up (default 1s)\n" \
	"      --share PERCENT         of each ring that records of one user may take\n" \
	"      --over block|reject     over a rate or share the producer waits (default), or\n" \
	"                              gets an error\n"

/* Append them to a table for getopt_long() that has TOPIC_OPTION_COUNT elements more. */
void topic_option_append(struct option *table);
/* Take one option, with optarg; returns the exit status. */
int topic_option(struct mqbus_topic_config *config, int opt);
/* Which bits of MQBUS_TOPIC_SET_* an option is, once taken; 0: it is for new topics only. */
__u32 topic_option_fields(const struct mqbus_topic_config *config, int opt);
/* Make the topic; returns the exit status. */
int topic_option_create(struct error_subject *subject, const struct mqbus_topic_config *config);
/* Bytes of the largest record: the kernel's rule, for a topic that does not say. */
__u64 topic_option_max_record(const struct mqbus_topic_config *config);
/* Say what was made. */
void topic_option_tell(const char *name, const struct mqbus_topic_config *config);

#endif /* MQBUS_TOPIC_OPTION_H */
