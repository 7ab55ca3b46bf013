/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_SENDER_H
#define _MQBUS_SENDER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/mqbus.h>

#include "base/account.h"

struct mqbus_ns;
struct mqbus_topic;
struct mqbus_who;

/**
 * struct mqbus_sender - the author of records
 * @id: what its records carry
 * @lock: taken inside a ring's, so that a record and its number are one
 * @seq: sequence number of its last record
 * @epoch: how often its name was opened; 0: it has none
 * @holder: who may store under it; NULL: nobody has it open
 */
struct mqbus_sender {
	u64 id;
	spinlock_t lock;	/* guards seq, epoch, and stores to holder */
	u64 seq;
	u32 epoch;
	const void *holder;
};

/**
 * struct mqbus_named - a sender whose name outlives the endpoints
 * @sender: what is like that of any other
 * @ref: the topic's list and every endpoint that has or had it
 * @node: in the topic's list, under its lock: those that nobody holds in the order in
 *	which they were closed
 * @uid: whose name it is
 * @charge: what its owner pays
 * @name: terminated
 */
struct mqbus_named {
	struct mqbus_sender sender;
	struct kref ref;
	struct list_head node;
	kuid_t uid;
	struct mqbus_charge charge;
	char name[MQBUS_NAME_SIZE];
};

void mqbus_sender_init(struct mqbus_sender *sender, struct mqbus_ns *ns,
		       const void *holder);
struct mqbus_sender *mqbus_sender_open(struct mqbus_topic *topic, struct mqbus_ns *ns,
				       const struct mqbus_who *who, const void *holder,
				       struct mqbus_produce *args);
void mqbus_sender_close(struct mqbus_topic *topic, struct mqbus_sender *sender,
			const void *holder);
void mqbus_sender_forget_all(struct mqbus_topic *topic);

/**
 * mqbus_sender_fenced() - whether somebody else has taken over
 * @sender: a sender
 * @holder: who had it
 *
 * Return: true from then on. Exact under the sender's lock.
 */
static inline bool mqbus_sender_fenced(const struct mqbus_sender *sender, const void *holder)
{
	return READ_ONCE(sender->holder) != holder;
}

#endif /* _MQBUS_SENDER_H */
