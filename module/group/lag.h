/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LAG_H
#define _MQBUS_LAG_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "base/ns.h"

struct mqbus_group;

/**
 * struct mqbus_lag - reports a high lag
 * @node: among the groups of the namespace that have a threshold; guarded by that list's lock
 * @threshold: records, over all partitions; 0: none
 * @silences: of the namespace, when @above was set
 * @above: the lag was reported as above @threshold
 */
struct mqbus_lag {
	struct list_head node;
	u64 threshold;	/* this and the next are guarded by the group's lock */
	u32 silences;
	bool above;
};

void mqbus_lag_set(struct mqbus_group *group, u64 threshold);
void mqbus_lag_ns_init(struct mqbus_ns *ns);
void mqbus_lag_ns_exit(struct mqbus_ns *ns);
u64 mqbus_lag_records(const struct mqbus_group *group, u32 partition, u64 head, u64 end);

/* Watch a group no more; its topic's lock is held */
static inline void mqbus_lag_end(struct mqbus_lag *lag, struct mqbus_lags *lags)
{
	spin_lock(&lags->lock);
	if (!list_empty(&lag->node)) {
		list_del_init(&lag->node);
		WRITE_ONCE(lags->nr, lags->nr - 1);
	}
	spin_unlock(&lags->lock);
}

#endif /* _MQBUS_LAG_H */
