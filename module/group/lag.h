/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LAG_H
#define _MQBUS_LAG_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct mqbus_group;
struct mqbus_mark;

/**
 * struct mqbus_lag - reports a high lag
 * @work: checks once a second while there is a threshold
 * @threshold: records, over all partitions; 0: none
 * @above: the lag was reported as above @threshold
 */
struct mqbus_lag {
	struct delayed_work work;
	u64 threshold;	/* this and the next are guarded by the group's lock */
	bool above;
};

void mqbus_lag_init(struct mqbus_group *group);
void mqbus_lag_set(struct mqbus_group *group, u64 threshold);
void mqbus_lag_end(struct mqbus_group *group);
u64 mqbus_lag_records(const struct mqbus_group *group, u32 partition, u64 head, u64 end);

#endif /* _MQBUS_LAG_H */
