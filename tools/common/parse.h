/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The values of options. Each function returns 0, or -EINVAL and leaves the
 * result as it was.
 */
#ifndef MQBUS_PARSE_H
#define MQBUS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "mqbus.h"

/* The index of a word among @n. */
int parse_choice(const char * const *words, __u32 n, const char *s, __u32 *out);
/* Decimal digits and nothing else, up to @max. */
int parse_number(const char *s, __u64 max, __u64 *out);
int parse_u32(const char *s, __u32 max, __u32 *out);
/* Bytes: 4096, 64K, 1.5M, 1G. */
int parse_size(const char *s, __u64 *out);
/* Nanoseconds of: 250ms, 10s, 5m, 2h, 7d; without a unit seconds. */
int parse_duration(const char *s, __u64 *out);
/* An interval between samples: from 1 ms to 30 days. */
int parse_interval(const char *s, __u64 *out);
#define INTERVAL_EXPECTED "a time from 1ms to 30d, in seconds unless it says"
/* A timeout for the library: never negative. */
int parse_timeout(const char *s, __s64 *out);
/* A rate: N or N/s; none: 0, no limit. With @unit N is a size. Up to MQBUS_RATE_MAX. */
int parse_rate(const char *s, bool unit, __u64 *out);
/* Percent of something, 1 to 100, with % or without; none: 0, no limit. */
int parse_share(const char *s, __u32 *out);
/* The next power of two, unless it is one. */
int parse_round_up(__u64 *size);
/* MIN[:MAX[:FACTOR[:JITTER%]]] into the backoff of a queue. */
int parse_backoff(const char *s, struct mqbus_queue_options *queue);
#define BACKOFF_EXPECTED \
	"MIN[:MAX[:FACTOR[:JITTER%]]] such as 100ms:1m:2:20%, MAX not less than MIN"

/* Permissions in octal, of the bits in @allowed only. */
int parse_mode(const char *s, __u32 allowed, __u32 *out);

/* The mode of a new file. */
__u32 parse_default_mode(void);
/* UID[:GID] or :GID, as numbers or names. */
int parse_owner(const char *s, __u32 *uid, __u32 *gid);

/**
 * struct place_spec - where to begin to read
 * @whence: the kind of place
 * @value: its offset or time, or a signed number of records
 */
struct place_spec {
	enum mqbus_whence whence;
	__u64 value;
};

#define PLACE_EXPECTED "earliest, latest, an offset, @SECONDS or @DATE (2024-05-01T10:00:00Z)"

/* earliest, latest, an offset, @SECONDS[.FRACTION] or @DATE in ISO 8601. */
int parse_place(const char *s, struct place_spec *out);

#define MOVE_EXPECTED PLACE_EXPECTED ", +N or -N"

/* The same, or +N or -N: records from the current place. */
int parse_move(const char *s, struct place_spec *out);

#endif /* MQBUS_PARSE_H */
