// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Accounting
 *
 * The worst case of a topic or a group is charged when it is created, to the memory
 * cgroup (by the page allocator) and against two limits of our own: one of each
 * network namespace, set by sysctl, and one of each uid over all
 * namespaces, so that a user gains nothing by creating namespaces. A producer is charged
 * when it is bound, and for the buffer that it keeps to assemble large records. Publishing
 * a record charges and allocates nothing else.
 */
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "base/account.h"
#include "base/ns.h"

static unsigned long max_user_mbytes;
module_param(max_user_mbytes, ulong, 0644);
MODULE_PARM_DESC(max_user_mbytes,
		 "MiB that one uid may hold (0: an eighth of the machine's memory)");

static unsigned long max_ns_mbytes;
module_param(max_ns_mbytes, ulong, 0644);
MODULE_PARM_DESC(max_ns_mbytes,
		 "MiB that a new network namespace may hold (0: a quarter of the machine's memory)");

/* The usage of a uid; the entry is freed when @bytes reaches 0 */
struct mqbus_user {
	struct hlist_node node;
	kuid_t uid;
	u64 bytes;
};

/* Protects the table, and the bytes of every user and namespace */
static DEFINE_SPINLOCK(account_lock);
/* One user may have 65,536 uids: their hash chains must stay short for others */
static DEFINE_HASHTABLE(users, 10);

static struct mqbus_user *user_find(kuid_t uid)
{
	struct mqbus_user *user;

	lockdep_assert_held(&account_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static u64 limit_bytes(unsigned long mbytes, unsigned int share)
{
	if (mbytes)
		return min_t(u64, mbytes, U64_MAX >> 20) << 20;
	return ((u64)totalram_pages() << PAGE_SHIFT) / share;
}

/* Bytes that one uid may hold */
u64 mqbus_user_limit(void)
{
	return limit_bytes(READ_ONCE(max_user_mbytes), 8);
}

/* Bytes that a new namespace may hold */
u64 mqbus_ns_default_limit(void)
{
	return limit_bytes(READ_ONCE(max_ns_mbytes), 4);
}

/**
 * mqbus_charge() - charge bytes, if the limits allow
 * @charge: filled on success; for mqbus_uncharge()
 * @ns: namespace, which outlives the charge
 * @uid: uid to charge
 * @bytes: not 0
 * @raised: the caller has CAP_SYS_RESOURCE: only the namespace's limit applies
 *
 * Return: 0, -EDQUOT over the uid's limit, -ENOSPC over the namespace's, -ENOMEM.
 */
int mqbus_charge(struct mqbus_charge *charge, struct mqbus_ns *ns, kuid_t uid,
		 u64 bytes, bool raised)
{
	struct mqbus_user *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	struct mqbus_user *user;
	u64 total;
	int err = 0;

	if (!fresh)
		return -ENOMEM;
	fresh->uid = uid;

	spin_lock(&account_lock);
	user = user_find(uid) ?: fresh;
	if (check_add_overflow(ns->bytes, bytes, &total) ||
	    total > READ_ONCE(ns->max_bytes)) {
		err = -ENOSPC;
	} else if (!raised && (check_add_overflow(user->bytes, bytes, &total) ||
			       total > mqbus_user_limit())) {
		err = -EDQUOT;
	} else {
		ns->bytes += bytes;
		user->bytes += bytes;
		if (user == fresh) {
			hash_add(users, &fresh->node, __kuid_val(uid));
			fresh = NULL;
		}
		charge->ns = ns;
		charge->user = user;
		charge->bytes = bytes;
	}
	spin_unlock(&account_lock);
	kfree(fresh);
	return err;
}

/* Undo mqbus_charge(); does nothing for an all-zero @charge */
void mqbus_uncharge(struct mqbus_charge *charge)
{
	struct mqbus_user *user = charge->user;

	if (!user)
		return;
	spin_lock(&account_lock);
	charge->ns->bytes -= charge->bytes;
	user->bytes -= charge->bytes;
	if (user->bytes)
		user = NULL;
	else
		hash_del(&user->node);
	spin_unlock(&account_lock);
	kfree(user);
	charge->user = NULL;
}

/* Bytes charged to a namespace */
u64 mqbus_charged(struct mqbus_ns *ns)
{
	u64 bytes;

	spin_lock(&account_lock);
	bytes = ns->bytes;
	spin_unlock(&account_lock);
	return bytes;
}
