/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_PRODUCER_H
#define _MQBUS_PRODUCER_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

struct mqbus_ns;
struct mqbus_topic;
struct mqbus_who;

/**
 * struct mqbus_producer - an endpoint bound to a topic for writing
 * @topic: the topic, with a reference
 * @id: what its records carry
 * @lock: one call at a time; not held while waiting for space
 * @seq: sequence number of its last record
 * @turn: counts calls: records without a key take partitions by turns
 * @msgs: a page for the descriptions of a batch
 * @full: partition and size of the record that last found no room, in the upper
 *	and lower half; 0: none; one word, so that poll() needs no lock
 */
struct mqbus_producer {
	struct mqbus_topic *topic;
	u64 id;
	struct mutex lock;	/* guards seq and msgs */
	u64 seq;
	atomic_t turn;
	struct mqbus_msg *msgs;
	u64 full;
};

int mqbus_producer_open(struct mqbus_producer *producer, struct mqbus_ns *ns,
			const struct mqbus_who *who, struct mqbus_produce *args);
void mqbus_producer_close(struct mqbus_producer *producer);
int mqbus_producer_publish(struct mqbus_producer *producer,
			   struct mqbus_publish *args, bool nonblock);
ssize_t mqbus_producer_write(struct mqbus_producer *producer,
			     struct iov_iter *from, bool nonblock);
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait);

#endif /* _MQBUS_PRODUCER_H */
