/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TRANSACT_H
#define _MQBUS_TRANSACT_H

#include <linux/lockdep.h>
#include <linux/types.h>
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
 * @partition: of which partition
 * @generation: as the user gave it
 * @at: up to where
 */
struct mqbus_commit_mark {
	u32 partition;
	u32 generation;
	struct mqbus_mark at;
};

/**
 * struct mqbus_piece - a record that was put together
 * @at: where in the buffer it is
 * @place: index of its partition among the transaction's places
 * @bytes: what it takes
 * @shared: it takes of its author's share there
 * @before: what his others take that are stored there before it
 */
struct mqbus_piece {
	u32 at;
	u32 place;
	u32 bytes;
	bool shared;
	u32 before;
};

/**
 * union mqbus_element - an element of an act, as it comes and as it is used
 * @msg: PUBLISH: as it comes
 * @piece: PUBLISH: when it was copied in
 * @entry: COMMIT: as it comes
 * @mark: COMMIT: when it was looked up
 * @settle: SETTLE
 */
union mqbus_element {
	struct mqbus_msg msg;
	struct mqbus_piece piece;
	struct mqbus_commit_entry entry;
	struct mqbus_commit_mark mark;
	struct mqbus_settle settle;
};

/**
 * struct mqbus_op - an act of a transaction
 * @user: as the user gave it
 * @file: its endpoint's file, with a reference
 * @producer: PUBLISH: who
 * @member: COMMIT and SETTLE: who
 * @elements: its elements
 * @skip: PUBLISH: the first ones that were stored before
 * @bytes: PUBLISH: of the others, as they will lie in rings
 */
struct mqbus_op {
	struct mqbus_act user;
	struct file *file;
	struct mqbus_producer *producer;
	struct mqbus_member *member;
	union mqbus_element *elements;
	u32 skip;
	u32 bytes;
};

/**
 * struct mqbus_transact_place - a partition that is published to
 * @topic: its topic
 * @ring: its ring
 * @partition: its number
 * @described: bytes of the records for it, as the user describes them
 * @bytes: of those that were not stored before
 * @asked: of these, those that were asked for so far
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
	bool full;
	bool stored;
};

/* Partitions that refused it, whose lines it stays in */
#define MQBUS_TRANSACT_LINES	8

/**
 * struct mqbus_obstacle - what a transaction has to wait for
 * @producer: whose records cannot be stored now; NULL: there is nothing to wait for
 * @refusal: why they cannot
 * @again: begin again at once: something has changed, or enough was done for now
 */
struct mqbus_obstacle {
	struct mqbus_producer *producer;
	struct mqbus_refusal refusal;
	bool again;
};

/**
 * struct mqbus_transaction - a transaction
 * @ns: in which namespace
 * @bound: tells whether a file is an endpoint of the namespace, and what it is bound as;
 *	that stays so as long as the file
 * @dep_map: tells lockdep that several locks of a kind are taken in one order
 * @args: the user's; is told which element failed
 * @nr_ops: how many acts
 * @nr_elements: how many elements they have
 * @nr_places: how many partitions are published to
 * @nr_groups: how many groups settle something
 * @nr_authors: how many authors publish
 * @turn: its turn, if it waits
 * @tickets: its places in lines
 * @elements: of all acts, one behind the other
 * @records: the buffer
 * @ops: the acts
 * @places: what is published to, in the order in which elements name it
 * @rings: of the places, by address
 * @groups: what settles, by address
 * @authors: who publishes, by address
 */
struct mqbus_transaction {
	struct mqbus_ns *ns;
	bool (*bound)(struct file *file, struct mqbus_ns *ns,
		      struct mqbus_producer **producer, struct mqbus_member **member);
	struct lockdep_map dep_map;
	struct mqbus_transact *args;
	u32 nr_ops;
	u32 nr_elements;
	u32 nr_places;
	u32 nr_groups;
	u32 nr_authors;
	struct mqbus_turn turn;
	struct mqbus_ticket tickets[MQBUS_TRANSACT_LINES];
	union mqbus_element *elements;
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

/**
 * mqbus_transact_failed() - say which element stands in the way
 * @t: the transaction
 * @op: index of an act
 * @element: index of the element in it, or %MQBUS_ANY
 * @err: why
 *
 * Return: @err.
 */
static inline int mqbus_transact_failed(struct mqbus_transaction *t, u32 op, u32 element,
					int err)
{
	t->args->failed_act = op;
	t->args->failed_element = element;
	return err;
}

#endif /* _MQBUS_TRANSACT_H */
