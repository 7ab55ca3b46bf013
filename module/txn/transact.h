/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TRANSACT_H
#define _MQBUS_TRANSACT_H

#include <linux/lockdep.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/mqbus.h>

#include "core/ring.h"
#include "log/turn.h"

struct file;
struct mqbus_group;
struct mqbus_member;
struct mqbus_ns;
struct mqbus_producer;
struct mqbus_author;
struct mqbus_topic;

/**
 * struct mqbus_commit_mark - a commit that was looked up
 * @partition: the partition
 * @generation: as the user gave it
 * @at: the position to commit up to
 */
struct mqbus_commit_mark {
	u32 partition;
	u32 generation;
	struct mqbus_mark at;
};

/**
 * struct mqbus_piece - a record in the buffer
 * @place: index of its partition among the transaction's places
 * @at: its position in the buffer
 * @bytes: its size
 * @before: bytes of the author's records stored there before it
 * @shared: it counts against its author's share there
 * @offset: its offset, once it is stored
 */
struct mqbus_piece {
	u32 place;
	u32 at;
	u32 bytes;
	u32 before;
	bool shared;
	u64 offset;
};

/**
 * struct mqbus_op - an act of a transaction
 * @user: as the user gave it
 * @file: its endpoint's file, with a reference
 * @producer: PUBLISH: the producer
 * @member: COMMIT and SETTLE: the member
 * @end: wakes the transaction when the act cannot succeed any more
 * @msgs: PUBLISH: the elements, as read
 * @pieces: PUBLISH: the records made of them
 * @marks: COMMIT: the elements, looked up
 * @settles: SETTLE: the elements
 * @skip: PUBLISH: leading elements that were stored before
 * @bytes: PUBLISH: size in rings of the others
 */
struct mqbus_op {
	struct mqbus_act user;
	struct file *file;
	struct mqbus_producer *producer;
	struct mqbus_member *member;
	struct wait_queue_entry end;
	struct mqbus_msg *msgs;
	struct mqbus_piece *pieces;
	struct mqbus_commit_mark *marks;
	struct mqbus_settle *settles;
	u32 skip;
	u32 bytes;
};

/**
 * struct mqbus_transact_place - a partition that the transaction publishes to
 * @topic: its topic
 * @ring: its ring
 * @partition: its number
 * @described: bytes of its records, as the user describes them
 * @bytes: of those that were not stored before
 * @asked: of these, bytes that room was asked for so far
 * @producer: the last one that publishes to it
 * @full: there is no room for all of them
 * @stored: records were appended to it
 */
struct mqbus_transact_place {
	struct mqbus_topic *topic;
	struct mqbus_ring *ring;
	u32 partition;
	u32 described;
	u32 bytes;
	u32 asked;
	const struct mqbus_producer *producer;
	bool full;
	bool stored;
};

/* Partitions whose lines a refused transaction stays in */
#define MQBUS_TRANSACT_LINES	8

/**
 * struct mqbus_obstacle - a reason for a transaction to wait
 * @producer: whose records cannot be stored now; NULL: there is nothing to wait for
 * @refusal: why they cannot
 * @again: try again at once: state has changed, or enough was done for now
 */
struct mqbus_obstacle {
	struct mqbus_producer *producer;
	struct mqbus_refusal refusal;
	bool again;
};

/**
 * struct mqbus_transaction - a transaction
 * @ns: its namespace
 * @bound: whether a file is an endpoint of the namespace, and the producer or member it is
 *	bound as, valid as long as the file
 * @dep_map: shows lockdep that several locks of a kind are taken in one order
 * @args: the user's arguments; the failed element is stored there
 * @nr_ops: number of acts
 * @nr_places: number of partitions to publish to
 * @nr_groups: number of groups that settle
 * @nr_authors: number of authors that publish
 * @task: the task that runs it
 * @turn: its turn, if it waits
 * @tickets: its places in lines
 * @elements: memory of the acts' arrays
 * @records: the buffer
 * @ops: the acts
 * @places: partitions to publish to, in the order in which elements name them
 * @rings: of the places, by address
 * @groups: groups that settle, by address
 * @authors: authors that publish, by address
 */
struct mqbus_transaction {
	struct mqbus_ns *ns;
	bool (*bound)(struct file *file, struct mqbus_ns *ns,
		      struct mqbus_producer **producer, struct mqbus_member **member);
	struct lockdep_map dep_map;
	struct mqbus_transact *args;
	u32 nr_ops;
	u32 nr_places;
	u32 nr_groups;
	u32 nr_authors;
	struct task_struct *task;
	struct mqbus_turn turn;
	struct mqbus_ticket tickets[MQBUS_TRANSACT_LINES];
	void *elements;
	void *records;
	struct mqbus_op ops[MQBUS_ACTS_MAX];
	struct mqbus_transact_place places[MQBUS_TRANSACT_PARTITIONS];
	struct mqbus_ring *rings[MQBUS_TRANSACT_PARTITIONS];
	struct mqbus_group *groups[MQBUS_ACTS_MAX];
	struct mqbus_author *authors[MQBUS_ACTS_MAX];
};

int mqbus_transact(struct mqbus_ns *ns,
		   bool (*bound)(struct file *file, struct mqbus_ns *ns,
				 struct mqbus_producer **producer,
				 struct mqbus_member **member),
		   struct mqbus_transact *args, bool nonblock);

/* op.c */
int mqbus_ops_read(struct mqbus_transaction *t);
void mqbus_ops_put(struct mqbus_transaction *t);

/* prepare.c */
int mqbus_op_check_member(struct mqbus_transaction *t, u32 a);
int mqbus_op_check_author(struct mqbus_transaction *t, u32 a, u32 *skip);
int mqbus_op_check_rate(struct mqbus_transaction *t, u32 a, struct mqbus_obstacle *wait);
int mqbus_transact_prepare(struct mqbus_transaction *t, struct mqbus_obstacle *wait);

/* issue.c */
int mqbus_transact_issue(struct mqbus_transaction *t, struct mqbus_obstacle *wait);

/* Store the element that failed, MQBUS_ANY for a whole act. Return: @err */
static inline int mqbus_transact_failed(struct mqbus_transaction *t, u32 op, u32 element,
					int err)
{
	t->args->failed_act = op;
	t->args->failed_element = element;
	return err;
}

#endif /* _MQBUS_TRANSACT_H */
