/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_QUOTA_H
#define _MQBUS_QUOTA_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "base/account.h"
#include "core/rate.h"
#include "core/ring.h"

struct mqbus_ns;
struct mqbus_topic;
struct mqbus_caller;

/* The first two are common to all producers, the others exist once per uid */
enum mqbus_quota_rate {
	MQBUS_QUOTA_RECORDS,
	MQBUS_QUOTA_BYTES,
	MQBUS_QUOTA_USER_RECORDS,
	MQBUS_QUOTA_USER_BYTES,
	MQBUS_QUOTA_RATES,
};

#define MQBUS_QUOTA_OWN		MQBUS_QUOTA_USER_RECORDS

/**
 * struct mqbus_tenant - a uid that publishes to a topic
 * @node: in the topic's list
 * @uid: the uid
 * @index: stored as owner in its records
 * @producers: number of its open producers
 * @buckets: state of its own rates
 */
struct mqbus_tenant {
	/* under the topic's lock; uid and index are constant */
	struct list_head node;
	kuid_t uid;
	u32 index;
	unsigned int producers;

	/* under the limits' lock */
	struct mqbus_bucket buckets[MQBUS_QUOTA_RATES - MQBUS_QUOTA_OWN];
};

/**
 * struct mqbus_quota - limits of a topic's producers
 * @share: percent of a ring that one uid may take; 0: all
 * @over: an &enum mqbus_over
 * @rated: whether there is any rate
 * @by_user: whether there is a limit for each uid
 * @lock: rates and buckets; the innermost
 * @rates: the rates
 * @buckets: state of the common rates
 * @tenants: uids that publish
 * @indices: bitmap of their indices
 * @charge: of the rings' counters, which are made for the first share
 * @counts: whether rings count
 */
struct mqbus_quota {
	/* marked, without a lock; stored under the topic's */
	u32 share;
	u32 over;
	bool rated;
	bool by_user;

	spinlock_t lock;	/* guards rates and buckets */
	struct mqbus_rate rates[MQBUS_QUOTA_RATES];
	struct mqbus_bucket buckets[MQBUS_QUOTA_OWN];

	/* under the topic's lock */
	struct list_head tenants;
	DECLARE_BITMAP(indices, MQBUS_RING_OWNERS);
	struct mqbus_charge charge;
	bool counts;
};

/**
 * struct mqbus_quota_counts - counters that no ring has yet
 * @used: for each ring, the bytes of each owner
 * @nr: number of rings; 0: nothing is allocated
 * @charge: for them
 */
struct mqbus_quota_counts {
	u64 **used;
	u32 nr;
	struct mqbus_charge charge;
};

void mqbus_quota_init(struct mqbus_quota *quota);
void mqbus_quota_free(struct mqbus_quota *quota);
void mqbus_quota_set(struct mqbus_quota *quota, const struct mqbus_topic_create *args,
		     u32 fields);
int mqbus_quota_prepare(struct mqbus_quota_counts *counts, const struct mqbus_topic *topic,
			struct mqbus_ns *ns, const struct mqbus_caller *caller);
void mqbus_quota_count(struct mqbus_quota_counts *counts, struct mqbus_topic *topic);
void mqbus_quota_discard(struct mqbus_quota_counts *counts);
struct mqbus_tenant *mqbus_quota_enter(struct mqbus_topic *topic, kuid_t uid);
void mqbus_quota_leave(struct mqbus_topic *topic, struct mqbus_tenant *tenant);
bool mqbus_quota_holds(struct mqbus_quota *quota, const struct mqbus_tenant *tenant, u32 records,
		       u32 bytes);
u64 mqbus_quota_due(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
		    u32 bytes);
u64 mqbus_quota_due_after(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
			  u32 bytes, u64 ahead_records, u64 ahead_bytes, u64 now);
void mqbus_quota_spend(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
		       u32 bytes);

/* Bytes that one uid may take in a ring of @size bytes; 0: no limit */
static inline u64 mqbus_quota_most(const struct mqbus_quota *quota, u64 size)
{
	return div_u64(size * READ_ONCE(quota->share), 100);
}

#endif /* _MQBUS_QUOTA_H */
