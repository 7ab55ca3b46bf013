// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Rates and shares
 *
 * Rates belong to a topic: its partitions share the buckets, and a lock for them that is
 * taken only while there is a rate. Shares belong to a ring, which counts the bytes of each
 * owner's records. An owner is a *tenant* of the topic, a uid that publishes there. A tenant
 * stays while something refers to it: an open producer, a record that is counted, a bucket
 * that is not full. Unused tenants are searched only when a new one needs an index.
 */
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "base/caller.h"
#include "log/quota.h"
#include "log/topic.h"

/* Begin without limits; @quota is zeroed. */
void mqbus_quota_init(struct mqbus_quota *quota)
{
	spin_lock_init(&quota->lock);
	INIT_LIST_HEAD(&quota->tenants);
	/* Index of no owner */
	__set_bit(0, quota->indices);
}

static void tenant_free(struct mqbus_quota *quota, struct mqbus_tenant *tenant)
{
	list_del(&tenant->node);
	__clear_bit(tenant->index, quota->indices);
	kfree(tenant);
}

/* Undo mqbus_quota_init(); @quota has no users any more. */
void mqbus_quota_free(struct mqbus_quota *quota)
{
	struct mqbus_tenant *tenant, *next;

	list_for_each_entry_safe(tenant, next, &quota->tenants, node)
		tenant_free(quota, tenant);
	mqbus_uncharge(&quota->charge);
}

static const struct {
	u32 field;
	size_t at;
} quota_rates[MQBUS_QUOTA_RATES] = {
	[MQBUS_QUOTA_RECORDS] = {
		MQBUS_TOPIC_SET_RATE,
		offsetof(struct mqbus_topic_create, rate),
	},
	[MQBUS_QUOTA_BYTES] = {
		MQBUS_TOPIC_SET_RATE_BYTES,
		offsetof(struct mqbus_topic_create, rate_bytes),
	},
	[MQBUS_QUOTA_USER_RECORDS] = {
		MQBUS_TOPIC_SET_USER_RATE,
		offsetof(struct mqbus_topic_create, user_rate),
	},
	[MQBUS_QUOTA_USER_BYTES] = {
		MQBUS_TOPIC_SET_USER_RATE_BYTES,
		offsetof(struct mqbus_topic_create, user_rate_bytes),
	},
};

/* A changed rate begins with a full bucket: an old debt belongs to another rate. */
static void quota_set_rate(struct mqbus_quota *quota, unsigned int i,
			   const struct mqbus_topic_create *args, u32 fields)
{
	struct mqbus_rate *rate = &quota->rates[i];
	struct mqbus_tenant *tenant;

	lockdep_assert_held(&quota->lock);

	if (!(fields & (quota_rates[i].field | MQBUS_TOPIC_SET_BURST)))
		return;
	if (fields & quota_rates[i].field)
		rate->each = *(const u64 *)((const void *)args + quota_rates[i].at);
	if (fields & MQBUS_TOPIC_SET_BURST)
		rate->burst = args->burst ?: NSEC_PER_SEC;
	if (i < MQBUS_QUOTA_OWN) {
		quota->buckets[i] = (struct mqbus_bucket) {};
		return;
	}
	list_for_each_entry(tenant, &quota->tenants, node)
		tenant->buckets[i - MQBUS_QUOTA_OWN] = (struct mqbus_bucket) {};
}

/* Change the limits in @fields, checked; the topic's lock is held if others can see them. */
void mqbus_quota_set(struct mqbus_quota *quota, const struct mqbus_topic_create *args,
		     u32 fields)
{
	bool user = false, rated = false;
	unsigned int i;

	spin_lock(&quota->lock);
	for (i = 0; i < MQBUS_QUOTA_RATES; i++) {
		quota_set_rate(quota, i, args, fields);
		rated |= !!quota->rates[i].each;
		user |= i >= MQBUS_QUOTA_OWN && quota->rates[i].each;
	}
	spin_unlock(&quota->lock);

	if (fields & MQBUS_TOPIC_SET_SHARE)
		WRITE_ONCE(quota->share, args->share);
	if (fields & MQBUS_TOPIC_SET_OVER)
		WRITE_ONCE(quota->over, args->over);
	WRITE_ONCE(quota->rated, rated);
	WRITE_ONCE(quota->by_user, user || quota->share);
}

/* Allocate counters for each ring of a topic. Return: an array, or NULL. */
static u64 **quota_alloc_counts(u32 n)
{
	u64 **used = kvcalloc(n, sizeof(*used), GFP_KERNEL_ACCOUNT);
	u32 i;

	for (i = 0; used && i < n; i++) {
		used[i] = kcalloc(MQBUS_RING_OWNERS, sizeof(u64), GFP_KERNEL_ACCOUNT);
		if (!used[i]) {
			while (i)
				kfree(used[--i]);
			kvfree(used);
			return NULL;
		}
	}
	return used;
}

/**
 * mqbus_quota_prepare() - allocate what a topic's rings need to count the bytes of each owner
 * @counts: zeroed; the caller must call mqbus_quota_discard(), also if this fails
 * @topic: the topic
 * @ns: its namespace
 * @caller: charged for the counters
 *
 * Return: 0, also if the rings count already, or a negative errno.
 */
int mqbus_quota_prepare(struct mqbus_quota_counts *counts, const struct mqbus_topic *topic,
			struct mqbus_ns *ns, const struct mqbus_caller *caller)
{
	u64 each = array_size(MQBUS_RING_OWNERS, sizeof(u64));
	int err;

	if (READ_ONCE(topic->quota.counts))
		return 0;
	err = mqbus_charge(&counts->charge, ns, caller, each * topic->nr_parts);
	if (err)
		return err;
	counts->used = quota_alloc_counts(topic->nr_parts);
	if (!counts->used)
		return -ENOMEM;
	counts->nr = topic->nr_parts;
	return 0;
}

/*
 * Make a topic's rings count, with what mqbus_quota_prepare() has allocated, until the topic is
 * freed, even without a share. Either all of them count or none: a ring that counts remembers
 * owners, which quota_reclaim() must see. Does nothing with all-zero @counts. The topic's lock is
 * held if others can see it.
 */
void mqbus_quota_count(struct mqbus_quota_counts *counts, struct mqbus_topic *topic)
{
	struct mqbus_quota *quota = &topic->quota;
	u32 i;

	/* None were needed, or another call was first */
	if (!counts->nr || quota->counts)
		return;
	for (i = 0; i < counts->nr; i++) {
		struct mqbus_ring *ring = &topic->parts[i]->ring;

		spin_lock(&ring->lock);
		mqbus_ring_count(ring, counts->used[i]);
		spin_unlock(&ring->lock);
		counts->used[i] = NULL;
	}
	swap(quota->charge, counts->charge);
	WRITE_ONCE(quota->counts, true);
}

/* Free what mqbus_quota_count() has not taken; all-zero @counts have nothing. */
void mqbus_quota_discard(struct mqbus_quota_counts *counts)
{
	while (counts->nr)
		kfree(counts->used[--counts->nr]);
	kvfree(counts->used);
	mqbus_uncharge(&counts->charge);
}

/* Free tenants without references. */
static void quota_reclaim(struct mqbus_topic *topic)
{
	struct mqbus_quota *quota = &topic->quota;
	DECLARE_BITMAP(busy, MQBUS_RING_OWNERS) = {};
	struct mqbus_tenant *tenant, *next;
	u64 now = ktime_get_ns();
	unsigned int i;
	u32 part;

	for (part = 0; quota->counts && part < topic->nr_parts; part++) {
		struct mqbus_ring *ring = &topic->parts[part]->ring;

		spin_lock(&ring->lock);
		for (i = 1; i < MQBUS_RING_OWNERS; i++)
			if (ring->used[i])
				__set_bit(i, busy);
		spin_unlock(&ring->lock);
		cond_resched();
	}
	spin_lock(&quota->lock);
	list_for_each_entry_safe(tenant, next, &quota->tenants, node) {
		for (i = 0; i < ARRAY_SIZE(tenant->buckets); i++)
			if (tenant->buckets[i].full > now)
				__set_bit(tenant->index, busy);
		if (!tenant->producers && !test_bit(tenant->index, busy))
			tenant_free(quota, tenant);
	}
	spin_unlock(&quota->lock);
}

/* A uid opens a producer. Return: the tenant, -EUSERS if there are too many, or -ENOMEM. */
struct mqbus_tenant *mqbus_quota_enter(struct mqbus_topic *topic, kuid_t uid)
{
	struct mqbus_quota *quota = &topic->quota;
	struct mqbus_tenant *tenant, *fresh;
	unsigned long index;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&topic->lock);
	list_for_each_entry(tenant, &quota->tenants, node)
		if (uid_eq(tenant->uid, uid))
			goto found;

	if (bitmap_full(quota->indices, MQBUS_RING_OWNERS))
		quota_reclaim(topic);
	index = find_first_zero_bit(quota->indices, MQBUS_RING_OWNERS);
	if (index == MQBUS_RING_OWNERS) {
		tenant = ERR_PTR(-EUSERS);
		goto unlock;
	}
	tenant = fresh;
	fresh = NULL;
	tenant->uid = uid;
	tenant->index = index;
	__set_bit(index, quota->indices);
	list_add(&tenant->node, &quota->tenants);
found:
	tenant->producers++;
unlock:
	mutex_unlock(&topic->lock);
	kfree(fresh);
	return tenant;
}

/* A producer is closed; @tenant is from mqbus_quota_enter(). */
void mqbus_quota_leave(struct mqbus_topic *topic, struct mqbus_tenant *tenant)
{
	mutex_lock(&topic->lock);
	tenant->producers--;
	mutex_unlock(&topic->lock);
}

static struct mqbus_bucket *quota_bucket(struct mqbus_quota *quota,
					 struct mqbus_tenant *tenant, unsigned int i)
{
	return i < MQBUS_QUOTA_OWN ? &quota->buckets[i] : &tenant->buckets[i - MQBUS_QUOTA_OWN];
}

static bool quota_of_bytes(unsigned int i)
{
	return i == MQBUS_QUOTA_BYTES || i == MQBUS_QUOTA_USER_BYTES;
}

/* Whether each bucket can hold records of @bytes together; @tenant as in mqbus_quota_due(). */
bool mqbus_quota_holds(struct mqbus_quota *quota, const struct mqbus_tenant *tenant, u32 records,
		       u32 bytes)
{
	unsigned int i;
	bool holds = true;

	spin_lock(&quota->lock);
	for (i = 0; i < MQBUS_QUOTA_RATES; i++)
		if (i < MQBUS_QUOTA_OWN || tenant)
			holds &= mqbus_rate_holds(&quota->rates[i],
						  quota_of_bytes(i) ? bytes : records);
	spin_unlock(&quota->lock);
	return holds;
}

/**
 * mqbus_quota_due() - time at which the rates let records go
 * @quota: the limits
 * @tenant: tenant of the records; NULL only while there are no rates for each uid
 * @records: number of records
 * @bytes: size of all together
 *
 * Return: ns of CLOCK_MONOTONIC; a past time, or 0: at once.
 */
u64 mqbus_quota_due(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
		    u32 bytes)
{
	return mqbus_quota_due_after(quota, tenant, records, bytes, 0, 0, 0);
}

/**
 * mqbus_quota_due_after() - mqbus_quota_due() if others' records go now
 * @quota: the limits
 * @tenant: as in mqbus_quota_due()
 * @records: number of records
 * @bytes: size of all together
 * @ahead_records: number of others' records
 * @ahead_bytes: size of these together
 * @now: ns of CLOCK_MONOTONIC
 *
 * Return: as mqbus_quota_due().
 */
u64 mqbus_quota_due_after(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
			  u32 bytes, u64 ahead_records, u64 ahead_bytes, u64 now)
{
	struct mqbus_bucket bucket;
	unsigned int i;
	u64 due = 0;

	if (!READ_ONCE(quota->rated))
		return 0;
	spin_lock(&quota->lock);
	for (i = 0; i < MQBUS_QUOTA_RATES; i++) {
		if (!quota->rates[i].each || (i >= MQBUS_QUOTA_OWN && !tenant))
			continue;
		bucket = *quota_bucket(quota, tenant, i);
		if (ahead_records)
			mqbus_rate_spend(&quota->rates[i], &bucket,
					 quota_of_bytes(i) ? ahead_bytes : ahead_records, now);
		due = max(due, mqbus_rate_due(&quota->rates[i], &bucket,
					      quota_of_bytes(i) ? bytes : records));
	}
	spin_unlock(&quota->lock);
	return due;
}

/*
 * Spend tokens for records that go; @tenant as in mqbus_quota_due(). If others were faster
 * since mqbus_quota_due() this makes a debt.
 */
void mqbus_quota_spend(struct mqbus_quota *quota, struct mqbus_tenant *tenant, u32 records,
		       u32 bytes)
{
	unsigned int i;
	u64 now;

	if (!READ_ONCE(quota->rated))
		return;
	spin_lock(&quota->lock);
	now = ktime_get_ns();
	for (i = 0; i < MQBUS_QUOTA_RATES; i++)
		if (quota->rates[i].each && (i < MQBUS_QUOTA_OWN || tenant))
			mqbus_rate_spend(&quota->rates[i], quota_bucket(quota, tenant, i),
					 quota_of_bytes(i) ? bytes : records, now);
	spin_unlock(&quota->lock);
}
