/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus dlq: dlq.c takes the options, sweep.c goes through the dead letters of a topic,
 * letter.c reads one, origin.c verifies its origin; list, show and purge are in
 * report.c, redrive in redrive.c.
 */
#ifndef MQBUS_DLQ_H
#define MQBUS_DLQ_H

#include <jansson.h>

#include "common/cmd.h"
#include "common/error.h"
#include "common/format.h"
#include "common/output.h"
#include "mqbus.h"

/* The headers that the kernel adds */
enum dlq_field {
	DLQ_TOPIC,
	DLQ_PARTITION,
	DLQ_OFFSET,
	DLQ_GROUP,
	DLQ_ATTEMPTS,
	DLQ_REASON,
	DLQ_FIRST,
	DLQ_LAST,
	DLQ_PID,
	DLQ_UID,
	DLQ_FIELDS
};

/**
 * struct dlq_letter - a record of a topic of dead letters
 * @record: the record, in place
 * @lease: its lease
 * @field: values of the headers about its origin; NULL if missing
 */
struct dlq_letter {
	const struct mqbus_record *record;
	const struct mqbus_leased *lease;
	struct mqbus_header_view field[DLQ_FIELDS];
};

void dlq_letter_read(struct dlq_letter *l, const struct mqbus_record *r,
		     const struct mqbus_leased *lease);
/* The word for a field: its header's name without the prefix. */
const char *dlq_field_name(enum dlq_field field);
/* A field as a number, 0 if there is none. */
__u64 dlq_letter_number(const struct dlq_letter *l, enum dlq_field field);
/*
 * Whether it may be a dead letter: the kernel's have all fields, so a record without any was
 * published to the topic like any other.
 */
bool dlq_letter_dead(const struct dlq_letter *l);
/* Whether the kernel added a header, not the producer. */
bool dlq_header_added(const struct mqbus_header_view *h);

/**
 * struct dlq_match - a condition NAME=VALUE
 * @name: key, routing-key, or a header's with or without the prefix
 * @name_len: bytes of @name
 * @value: the required value
 */
struct dlq_match {
	const char *name;
	size_t name_len;
	const char *value;
};

/* Whether a letter matches all @n conditions. */
bool dlq_letter_matches(const struct dlq_letter *l, const struct dlq_match *match, size_t n);

struct dlq;

/* The outcome for a letter */
enum dlq_verdict {
	DLQ_KEEP,	/* it stays */
	DLQ_ACK,	/* it is to be settled */
	DLQ_SETTLED,	/* it is settled already */
	DLQ_STOP,	/* it stays, and so do all that follow */
};

/**
 * struct dlq - a run of mqbus dlq
 * @subject: for messages: the topic of dead letters and its group
 * @match: conditions
 * @nr_match: their number
 * @left: letters that match still to be taken
 * @json: print JSON
 * @began: the sweep could begin: there is something to report
 * @take: called for each letter that matches
 * @worker: the member that holds the letters
 * @table: text output
 * @list: JSON output
 * @seen: letters examined
 * @matched: those that matched
 * @settled: those that were acked
 * @forged: those that stay because their origin is unverified
 * @would: those that would have been acked without the dry run
 * @status: the exit status, worst so far
 * @to: destination of a redrive, or NULL: the origin of each
 * @rate: redrives in a second, or 0
 * @dry_run: only report
 * @looks: no letter is to be settled
 * @all: purge all
 * @groups: groups that letters may come from, by topic and name, or NULL: not listed yet
 * @nr_groups: elements of @groups
 * @targets: destinations so far
 * @next: when the next may be redriven
 */
struct dlq {
	struct error_subject subject;
	struct dlq_match *match;
	size_t nr_match;
	__u64 left;
	bool json;
	bool began;
	enum dlq_verdict (*take)(struct dlq *d, const struct dlq_letter *l);
	struct mqbus_worker *worker;
	struct table table;
	json_t *list;
	__u64 seen;
	__u64 matched;
	__u64 settled;
	__u64 forged;
	__u64 would;
	int status;
	const char *to;
	double rate;
	bool dry_run;
	bool looks;
	bool all;
	struct mqbus_admin_group *groups;
	size_t nr_groups;
	struct dlq_target *targets;
	__u64 next;
};

/* The topic that a letter names as its origin; false if none. */
bool dlq_origin_topic(const struct dlq_letter *l, char topic[MQBUS_NAME_SIZE]);
/* Whether the kernel wrote the letter for the group that it names. */
bool dlq_origin_verified(struct dlq *d, const struct dlq_letter *l);

/*
 * Lease every letter that is there now and call @take for it; those that are not
 * acked are released at the end. Returns the exit status.
 */
int dlq_sweep(struct dlq *d);

/* Each returns the exit status. */
int dlq_list(struct dlq *d);
int dlq_show(struct dlq *d);
int dlq_purge(struct dlq *d);
int dlq_redrive(struct dlq *d);

/* Add a row to the table. */
void dlq_table_add(struct dlq *d, const struct dlq_letter *l);
/* Print the number done, as "redriven"; returns the exit status. */
int dlq_tell(struct dlq *d, const char *done);

#endif /* MQBUS_DLQ_H */
