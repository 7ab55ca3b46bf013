// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Rates and shares
 *
 * Rates are of a topic, so its partitions share the buckets, and a lock for them that is
 * taken only while there is a rate. Shares are of a ring, which counts by itself what
 * each owner's records take: an owner is a *tenant* of the topic, a uid that publishes
 * there. A tenant stays while anything remembers it: an open producer, a record that is
 * counted, a bucket that is not full. Only when another one needs its number is it
 * looked whether one can go.
 */
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "base/caller.h"
#include "log/quota.h"
#include "log/topic.h"

/**
 * mqbus_limit_init() - begin without limits
 * @limit: zeroed
 */
void mqbus_limit_init(struct mqbus_limit *limit)
{
	spin_lock_init(&limit->lock);
	INIT_LIST_HEAD(&limit->tenants);
	/* That of nobody */
	__set_bit(0, limit->indices);
}

static void tenant_free(struct mqbus_limit *limit, struct mqbus_tenant *tenant)
{
	list_del(&tenant->node);
	__clear_bit(tenant->index, limit->indices);
	kfree(tenant);
}

/**
 * mqbus_limit_free() - undo mqbus_limit_init()
 * @limit: nobody uses it any more
 */
void mqbus_limit_free(struct mqbus_limit *limit)
{
	struct mqbus_tenant *tenant, *next;

	list_for_each_entry_safe(tenant, next, &limit->tenants, node)
		tenant_free(limit, tenant);
	mqbus_uncharge(&limit->charge);
}

static const struct {
	u32 field;
	size_t at;
} limit_rates[MQBUS_LIMIT_RATES] = {
	[MQBUS_LIMIT_RECORDS] = {
		MQBUS_TOPIC_SET_RATE,
		offsetof(struct mqbus_topic_create, rate),
	},
	[MQBUS_LIMIT_BYTES] = {
		MQBUS_TOPIC_SET_RATE_BYTES,
		offsetof(struct mqbus_topic_create, rate_bytes),
	},
	[MQBUS_LIMIT_USER_RECORDS] = {
		MQBUS_TOPIC_SET_USER_RATE,
		offsetof(struct mqbus_topic_create, user_rate),
	},
	[MQBUS_LIMIT_USER_BYTES] = {
		MQBUS_TOPIC_SET_USER_RATE_BYTES,
		offsetof(struct mqbus_topic_create, user_rate_bytes),
	},
};

/* A rate that is changed begins with a full bucket: an old debt is of another rate. */
static void limit_set_rate(struct mqbus_limit *limit, unsigned int i,
			   const struct mqbus_topic_create *args, u32 fields)
{
	struct mqbus_rate *rate = &limit->rates[i];
	struct mqbus_tenant *tenant;

	lockdep_assert_held(&limit->lock);

	if (!(fields & (limit_rates[i].field | MQBUS_TOPIC_SET_BURST)))
		return;
	if (fields & limit_rates[i].field)
		rate->each = *(const u64 *)((const void *)args + limit_rates[i].at);
	if (fields & MQBUS_TOPIC_SET_BURST)
		rate->burst = args->burst ?: NSEC_PER_SEC;
	if (i < MQBUS_LIMIT_OWN) {
		limit->buckets[i] = (struct mqbus_bucket) {};
		return;
	}
	list_for_each_entry(tenant, &limit->tenants, node)
		tenant->buckets[i - MQBUS_LIMIT_OWN] = (struct mqbus_bucket) {};
}

/**
 * mqbus_limit_set() - change limits
 * @limit: the limits; the topic's lock is held if others can see it
 * @args: the new ones, checked
 * @fields: which
 */
void mqbus_limit_set(struct mqbus_limit *limit, const struct mqbus_topic_create *args,
		     u32 fields)
{
	bool user = false, rated = false;
	unsigned int i;

	spin_lock(&limit->lock);
	for (i = 0; i < MQBUS_LIMIT_RATES; i++) {
		limit_set_rate(limit, i, args, fields);
		rated |= !!limit->rates[i].each;
		user |= i >= MQBUS_LIMIT_OWN && limit->rates[i].each;
	}
	spin_unlock(&limit->lock);

	if (fields & MQBUS_TOPIC_SET_SHARE)
		WRITE_ONCE(limit->share, args->share);
	if (fields & MQBUS_TOPIC_SET_OVER)
		WRITE_ONCE(limit->over, args->over);
	WRITE_ONCE(limit->rated, rated);
	WRITE_ONCE(limit->by_user, user || limit->share);
}

static void limit_free_counts(u64 **used, u32 n)
{
	while (n)
		kfree(used[--n]);
	kvfree(used);
}

/* For each ring of a topic what it needs to count. Return: an array, or NULL. */
static u64 **limit_alloc_counts(u32 n)
{
	u64 **used = kvcalloc(n, sizeof(*used), GFP_KERNEL_ACCOUNT);
	u32 i;

	for (i = 0; used && i < n; i++) {
		used[i] = kcalloc(MQBUS_RING_OWNERS, sizeof(u64), GFP_KERNEL_ACCOUNT);
		if (!used[i]) {
			limit_free_counts(used, i);
			return NULL;
		}
	}
	return used;
}

/**
 * mqbus_limit_count() - let a topic's rings count what each owner takes
 * @topic: the topic; its lock is held if others can see it
 * @ns: its namespace
 * @who: who pays
 *
 * They go on with it until the topic goes, whether there still is a share or not. All
 * begin or none does: a ring that counts remembers owners, which limit_reclaim() must see.
 *
 * Return: 0 or a negative errno.
 */
int mqbus_limit_count(struct mqbus_topic *topic, struct mqbus_ns *ns,
		      const struct mqbus_who *who)
{
	u64 each = array_size(MQBUS_RING_OWNERS, sizeof(u64)), **used;
	struct mqbus_limit *limit = &topic->limit;
	u32 i;
	int err;

	if (limit->counts)
		return 0;
	used = limit_alloc_counts(topic->nr_parts);
	if (!used)
		return -ENOMEM;
	err = mqbus_charge(&limit->charge, ns, who->cred->fsuid, each * topic->nr_parts,
			   mqbus_who_capable(who, CAP_SYS_RESOURCE));
	if (err) {
		limit_free_counts(used, topic->nr_parts);
		return err;
	}
	for (i = 0; i < topic->nr_parts; i++) {
		struct mqbus_ring *ring = &topic->parts[i]->ring;

		spin_lock(&ring->lock);
		mqbus_ring_count(ring, used[i]);
		spin_unlock(&ring->lock);
	}
	kvfree(used);
	limit->counts = true;
	return 0;
}

/* Let go of tenants that nothing remembers. */
static void limit_reclaim(struct mqbus_topic *topic)
{
	struct mqbus_limit *limit = &topic->limit;
	DECLARE_BITMAP(busy, MQBUS_RING_OWNERS) = {};
	struct mqbus_tenant *tenant, *next;
	u64 now = ktime_get_ns();
	unsigned int i;
	u32 part;

	for (part = 0; limit->counts && part < topic->nr_parts; part++) {
		struct mqbus_ring *ring = &topic->parts[part]->ring;

		spin_lock(&ring->lock);
		for (i = 1; i < MQBUS_RING_OWNERS; i++)
			if (ring->used[i])
				__set_bit(i, busy);
		spin_unlock(&ring->lock);
		cond_resched();
	}
	spin_lock(&limit->lock);
	list_for_each_entry_safe(tenant, next, &limit->tenants, node) {
		for (i = 0; i < ARRAY_SIZE(tenant->buckets); i++)
			if (tenant->buckets[i].full > now)
				__set_bit(tenant->index, busy);
		if (!tenant->producers && !test_bit(tenant->index, busy))
			tenant_free(limit, tenant);
	}
	spin_unlock(&limit->lock);
}

/**
 * mqbus_limit_enter() - a uid opens a producer
 * @topic: the topic
 * @uid: who
 *
 * Return: the tenant, -EUSERS if there are too many, or -ENOMEM.
 */
struct mqbus_tenant *mqbus_limit_enter(struct mqbus_topic *topic, kuid_t uid)
{
	struct mqbus_limit *limit = &topic->limit;
	struct mqbus_tenant *tenant, *fresh;
	unsigned long index;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&topic->lock);
	list_for_each_entry(tenant, &limit->tenants, node)
		if (uid_eq(tenant->uid, uid))
			goto found;

	if (bitmap_full(limit->indices, MQBUS_RING_OWNERS))
		limit_reclaim(topic);
	index = find_first_zero_bit(limit->indices, MQBUS_RING_OWNERS);
	if (index == MQBUS_RING_OWNERS) {
		tenant = ERR_PTR(-EUSERS);
		goto unlock;
	}
	tenant = fresh;
	fresh = NULL;
	tenant->uid = uid;
	tenant->index = index;
	__set_bit(index, limit->indices);
	list_add(&tenant->node, &limit->tenants);
found:
	tenant->producers++;
unlock:
	mutex_unlock(&topic->lock);
	kfree(fresh);
	return tenant;
}

/**
 * mqbus_limit_leave() - a producer is closed
 * @topic: the topic
 * @tenant: what mqbus_limit_enter() gave
 */
void mqbus_limit_leave(struct mqbus_topic *topic, struct mqbus_tenant *tenant)
{
	mutex_lock(&topic->lock);
	tenant->producers--;
	mutex_unlock(&topic->lock);
}

static struct mqbus_bucket *limit_bucket(struct mqbus_limit *limit,
					 struct mqbus_tenant *tenant, unsigned int i)
{
	return i < MQBUS_LIMIT_OWN ? &limit->buckets[i] : &tenant->buckets[i - MQBUS_LIMIT_OWN];
}

static bool limit_of_bytes(unsigned int i)
{
	return i == MQBUS_LIMIT_BYTES || i == MQBUS_LIMIT_USER_BYTES;
}

/**
 * mqbus_limit_due() - when the rates let records go
 * @limit: the limits
 * @tenant: whose they are; NULL only while there are no rates for each uid
 * @records: how many
 * @bytes: what they take together
 *
 * Return: ns of CLOCK_MONOTONIC; a past time, or 0: at once.
 */
u64 mqbus_limit_due(struct mqbus_limit *limit, struct mqbus_tenant *tenant, u32 records,
		    u32 bytes)
{
	unsigned int i;
	u64 due = 0;

	if (!READ_ONCE(limit->rated))
		return 0;
	spin_lock(&limit->lock);
	for (i = 0; i < MQBUS_LIMIT_RATES; i++)
		if (limit->rates[i].each && (i < MQBUS_LIMIT_OWN || tenant))
			due = max(due, mqbus_rate_due(&limit->rates[i],
						      limit_bucket(limit, tenant, i),
						      limit_of_bytes(i) ? bytes : records));
	spin_unlock(&limit->lock);
	return due;
}

/**
 * mqbus_limit_due_after() - as mqbus_limit_due(), if others go now
 * @limit: the limits
 * @tenant: as mqbus_limit_due()
 * @records: how many
 * @bytes: what they take together
 * @ahead_records: how many of others
 * @ahead_bytes: what these take together
 * @now: ns of CLOCK_MONOTONIC
 *
 * Return: as mqbus_limit_due().
 */
u64 mqbus_limit_due_after(struct mqbus_limit *limit, struct mqbus_tenant *tenant, u32 records,
			  u32 bytes, u64 ahead_records, u64 ahead_bytes, u64 now)
{
	struct mqbus_bucket bucket;
	unsigned int i;
	u64 due = 0;

	if (!READ_ONCE(limit->rated))
		return 0;
	spin_lock(&limit->lock);
	for (i = 0; i < MQBUS_LIMIT_RATES; i++) {
		if (!limit->rates[i].each || (i >= MQBUS_LIMIT_OWN && !tenant))
			continue;
		bucket = *limit_bucket(limit, tenant, i);
		if (ahead_records)
			mqbus_rate_spend(&limit->rates[i], &bucket,
					 limit_of_bytes(i) ? ahead_bytes : ahead_records, now);
		due = max(due, mqbus_rate_due(&limit->rates[i], &bucket,
					      limit_of_bytes(i) ? bytes : records));
	}
	spin_unlock(&limit->lock);
	return due;
}

/**
 * mqbus_limit_spend() - pay for records that go
 * @limit: the limits
 * @tenant: as mqbus_limit_due()
 * @records: how many
 * @bytes: what they take together
 *
 * If others were faster since mqbus_limit_due() it is a debt.
 */
void mqbus_limit_spend(struct mqbus_limit *limit, struct mqbus_tenant *tenant, u32 records,
		       u32 bytes)
{
	unsigned int i;
	u64 now;

	if (!READ_ONCE(limit->rated))
		return;
	spin_lock(&limit->lock);
	now = ktime_get_ns();
	for (i = 0; i < MQBUS_LIMIT_RATES; i++)
		if (limit->rates[i].each && (i < MQBUS_LIMIT_OWN || tenant))
			mqbus_rate_spend(&limit->rates[i], limit_bucket(limit, tenant, i),
					 limit_of_bytes(i) ? bytes : records, now);
	spin_unlock(&limit->lock);
}
