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
 * @id: stored in its records
 * @lock: taken inside a ring's, so that records are stored in order of their numbers
 * @seq: sequence number of its last record
 * @epoch: how often its name was opened; 0: it has none
 * @holder: endpoint that may store records under it; NULL: none has it open
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
 * @names: its names there; those without holder in the order in which they were closed
 * @uid: the uid
 * @nr: length of @names; the structure is freed with the last name
 */
struct mqbus_namer {
	struct list_head node;
	struct list_head names;
	kuid_t uid;
	u32 nr;
};

/**
 * struct mqbus_named - an author whose name outlives the endpoints
 * @author: the common part
 * @ref: the topic's list and every endpoint that has or had it
 * @node: among its uid's in the topic
 * @namer: its uid's entry; before it is in the topic an entry of its own; NULL: forgotten
 * @charge: charged to its owner
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

/* Whether another endpoint has taken the author over, for good; exact under its lock */
static inline bool mqbus_author_fenced(const struct mqbus_author *author, const void *holder)
{
	return READ_ONCE(author->holder) != holder;
}

#endif /* _MQBUS_AUTHOR_H */
