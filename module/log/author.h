/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_AUTHOR_H
#define _MQBUS_AUTHOR_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/mqbus.h>

#include "base/account.h"

struct mqbus_ns;
struct mqbus_topic;
struct mqbus_caller;

/**
 * struct mqbus_author - the author of records
 * @id: what its records carry
 * @lock: taken inside a ring's, so that a record and its number are one
 * @seq: sequence number of its last record
 * @epoch: how often its name was opened; 0: it has none
 * @holder: who may store under it; NULL: nobody has it open
 */
struct mqbus_author {
	u64 id;
	spinlock_t lock;	/* guards seq, epoch, and stores to holder */
	u64 seq;
	u32 epoch;
	const void *holder;
};

/**
 * struct mqbus_namer - a uid that has names in a topic
 * @node: in the topic's list, under its lock
 * @names: its names there; those that nobody holds in the order in which they were closed
 * @uid: whose
 * @nr: how many; it goes with the last one
 */
struct mqbus_namer {
	struct list_head node;
	struct list_head names;
	kuid_t uid;
	u32 nr;
};

/**
 * struct mqbus_named - an author whose name outlives the endpoints
 * @author: what is like that of any other
 * @ref: the topic's list and every endpoint that has or had it
 * @node: among its uid's in the topic
 * @namer: whose it is there; until it is in the topic one for itself; NULL: forgotten
 * @charge: what its owner pays
 * @name: terminated
 */
struct mqbus_named {
	struct mqbus_author author;
	struct kref ref;
	struct list_head node;
	struct mqbus_namer *namer;
	struct mqbus_charge charge;
	char name[MQBUS_NAME_SIZE];
};

void mqbus_author_init(struct mqbus_author *author, struct mqbus_ns *ns,
		       const void *holder);
struct mqbus_author *mqbus_author_open(struct mqbus_topic *topic, struct mqbus_ns *ns,
				       const struct mqbus_caller *caller, const void *holder,
				       struct mqbus_produce *args);
void mqbus_author_close(struct mqbus_topic *topic, struct mqbus_author *author,
			const void *holder);
void mqbus_author_forget_all(struct mqbus_topic *topic);

/**
 * mqbus_author_fenced() - whether somebody else has taken over
 * @author: an author
 * @holder: who had it
 *
 * Return: true from then on. Exact under the author's lock.
 */
static inline bool mqbus_author_fenced(const struct mqbus_author *author, const void *holder)
{
	return READ_ONCE(author->holder) != holder;
}

#endif /* _MQBUS_AUTHOR_H */
