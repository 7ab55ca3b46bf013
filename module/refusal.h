/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_REFUSAL_H
#define _MQBUS_REFUSAL_H

#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/types.h>

struct mqbus_producer;

/**
 * struct mqbus_refusal - why records were not stored, and what to wait for
 * @why: -ENOBUFS (no room), -EXFULL (a rate, or the share), or another errno
 * @partition: where they were to go
 * @records: how many
 * @bytes: what they take together
 * @due: of a rate: when it lets them go; else 0
 */
struct mqbus_refusal {
	int why;
	u32 partition;
	u32 records;
	u32 bytes;
	u64 due;
};

void mqbus_refusal_init(struct mqbus_producer *producer);
int mqbus_producer_wait(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			ktime_t deadline);
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait);

#endif /* _MQBUS_REFUSAL_H */
