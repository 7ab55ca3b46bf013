/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus sub: sub.c takes the options; the other files read as a member of a stream
 * group (stream.c), of a queue group (queue.c), and of one whose records stdin
 * settles (manual.c).
 */
#ifndef MQBUS_SUB_H
#define MQBUS_SUB_H

#include "common/cmd.h"
#include "common/error.h"
#include "common/format.h"
#include "common/parse.h"
#include "mqbus.h"

/* Written, and then committed, when this much has come together */
#define SUB_OUTPUT_SIZE (256 * 1024)

/* The time when a leased record is acked */
enum sub_ack {
	SUB_ACK_AUTO,		/* after it is written */
	SUB_ACK_ON_EXIT,	/* at a successful end */
	SUB_ACK_MANUAL,		/* by a line on stdin */
};

/**
 * struct sub - a run of mqbus sub
 * @subject: for messages
 * @type: an &enum mqbus_group_type
 * @given: the format as it was given, or NULL
 * @format: of the output
 * @json: JSON instead of @format
 * @raw: unchanged, even on a terminal
 * @no_create: the group must exist
 * @place: where a new group begins
 * @placed: whether @place was given
 * @exit: end when there is no more
 * @quiet: no notes
 * @timeout: ns
 * @left: records still to read
 * @out: not written yet
 * @ack: of a queue group: an &enum sub_ack
 * @lease: ns that leases last; 0: the group's lease time
 * @batch: records leased at a time, or held at a time if acked by hand; 0: the default
 * @member: id of the member, or ""; of a stream group
 * @leasing: an option was given that only a queue group has
 */
struct sub {
	struct error_subject subject;
	__u32 type;
	const char *given;
	struct format *format;
	bool json;
	bool raw;
	bool no_create;
	struct place_spec place;
	bool placed;
	bool exit;
	bool quiet;
	__s64 timeout;
	__u64 left;
	struct text out;
	__u32 ack;
	__s64 lease;
	__u32 batch;
	const char *member;
	bool leasing;
};

/* Each returns the exit status. */
int sub_stream(struct sub *sub);
int sub_queue(struct sub *sub);
/* Reads as @worker until all is settled, or stdin ends. */
int sub_manual(struct sub *sub, struct mqbus_worker *worker);

/* Report a call that failed with @err; returns the exit status. */
int sub_report(struct sub *sub, enum error_action action, int err);
/* A call that waits for records returned @err: continue (-1), or end with a status. */
int sub_wait_failed(struct sub *sub, enum error_action action, int err);
/* Report that the group is paused, if so: it looks like one without records. */
void sub_tell_paused(struct sub *sub);
/* The group existed: report that -o has no effect, and that it may be paused. */
void sub_joined(struct sub *sub);
/* Report that the group was created, and what that means. */
void sub_tell_made(struct sub *sub);
/* Add a record to the output. */
void sub_print(struct sub *sub, const struct format_source *from, const struct mqbus_record *r);
/* Write it; @fate: the fate of the records if that fails, for the message. */
int sub_write(struct sub *sub, const char *fate);

#endif /* MQBUS_SUB_H */
