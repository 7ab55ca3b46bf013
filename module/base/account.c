// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Accounting
 *
 * The worst case of a topic or a group is charged when it is created, to the memory
 * cgroup (by the page allocator) and against limits of our own: one of each network
 * namespace, set by sysctl, one of each user over all namespaces, and one of the machine.
 * A producer is charged when it is bound, and for the buffer that it keeps to assemble large
 * records. Publishing a record charges and allocates nothing else.
 *
 * Who pays in a user namespace also makes its owner pay, and so on up to the initial one, as
 * with ucounts: a user with subordinate uids and a hundred namespaces is one user. What root
 * makes for others, a container for example, is one user by itself.
 */
#include <linux/capability.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/user_namespace.h>

#include "base/account.h"
#include "base/caller.h"
#include "base/ns.h"

static unsigned long max_user_mbytes;
module_param(max_user_mbytes, ulong, 0644);
MODULE_PARM_DESC(max_user_mbytes,
		 "MiB that one uid may hold (0: an eighth of the machine's memory)");

static unsigned long max_ns_mbytes;
module_param(max_ns_mbytes, ulong, 0644);
MODULE_PARM_DESC(max_ns_mbytes,
		 "MiB that a new network namespace may hold (0: a quarter of the machine's memory)");

static unsigned long max_mbytes;
module_param(max_mbytes, ulong, 0644);
MODULE_PARM_DESC(max_mbytes,
		 "MiB that all may hold, a 16th of it CAP_SYS_RESOURCE only (0: half of the machine's memory)");

/**
 * struct mqbus_user - what one payer holds
 * @node: in the table
 * @userns: the namespace of the payer
 * @uid: the payer; invalid: the whole namespace, which root owns
 * @above: who answers for @userns and pays as well, or NULL
 * @refs: charges, and users below
 * @bytes: held
 */
struct mqbus_user {
	struct hlist_node node;
	struct user_namespace *userns;
	kuid_t uid;
	struct mqbus_user *above;
	u32 refs;
	u64 bytes;
};

/* Protects the table, the users, the bytes of each namespace and of the machine */
static DEFINE_SPINLOCK(account_lock);
/* One user may have 65,536 uids: their hash chains must stay short for others */
static DEFINE_HASHTABLE(users, 10);
static u64 machine_bytes;

static u32 user_hash(struct user_namespace *userns, kuid_t uid)
{
	return hash_ptr(userns, 32) ^ __kuid_val(uid);
}

static struct mqbus_user *user_find(struct user_namespace *userns, kuid_t uid)
{
	struct mqbus_user *user;

	lockdep_assert_held(&account_lock);
	hash_for_each_possible(users, user, node, user_hash(userns, uid))
		if (user->userns == userns && uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/*
 * Turn a payer into who answers for it: the owner of its namespace. A namespace that root made is a
 * user by itself, but for one of a single uid, which a setuid program made for that.
 * Return: false if nobody does.
 */
static bool user_above(struct user_namespace **userns, kuid_t *uid)
{
	struct user_namespace *ns = *userns;
	const struct uid_gid_map *map = &ns->uid_map;

	if (ns == &init_user_ns || !uid_valid(*uid))
		return false;
	if (ns->parent == &init_user_ns && uid_eq(ns->owner, GLOBAL_ROOT_UID)) {
		if (map->nr_extents != 1 || map->extent[0].count != 1) {
			*uid = INVALID_UID;
			return true;
		}
		*uid = KUIDT_INIT(map->extent[0].lower_first);
	} else {
		*uid = ns->owner;
	}
	*userns = ns->parent;
	return true;
}

static void user_free(struct mqbus_user *user)
{
	put_user_ns(user->userns);
	kfree(user);
}

/* Drop a reference, and those of users above that go with it */
static void user_put(struct mqbus_user *user)
{
	struct mqbus_user *above;
	bool last;

	for (; user; user = above) {
		spin_lock(&account_lock);
		last = !--user->refs;
		if (last)
			hash_del(&user->node);
		spin_unlock(&account_lock);
		if (!last)
			return;
		above = user->above;
		user_free(user);
	}
}

/* Put a fresh user into the table, below @above, whose reference it takes. Return: the user. */
static struct mqbus_user *user_add(struct mqbus_user *fresh, struct mqbus_user *above)
{
	struct mqbus_user *user;

	spin_lock(&account_lock);
	user = user_find(fresh->userns, fresh->uid);
	if (user) {
		user->refs++;
	} else {
		fresh->above = above;
		hash_add(users, &fresh->node, user_hash(fresh->userns, fresh->uid));
	}
	spin_unlock(&account_lock);
	if (!user)
		return fresh;
	user_put(above);
	user_free(fresh);
	return user;
}

/* Find or make a payer and all above. Return: a reference, or NULL without memory. */
static struct mqbus_user *user_get(struct user_namespace *userns, kuid_t uid)
{
	struct mqbus_user *user, *fresh, *below = NULL;

	/* Namespaces are nested no more than 32 deep */
	do {
		spin_lock(&account_lock);
		user = user_find(userns, uid);
		if (user)
			user->refs++;
		spin_unlock(&account_lock);
		if (user)
			break;
		fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
		if (!fresh)
			goto nomem;
		fresh->userns = get_user_ns(userns);
		fresh->uid = uid;
		fresh->refs = 1;
		fresh->above = below;	/* until it is in the table */
		below = fresh;
	} while (user_above(&userns, &uid));
	while (below) {
		fresh = below;
		below = fresh->above;
		user = user_add(fresh, user);
	}
	return user;
nomem:
	while (below) {
		fresh = below;
		below = fresh->above;
		user_free(fresh);
	}
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

/* Bytes that all may hold */
u64 mqbus_machine_limit(void)
{
	return limit_bytes(READ_ONCE(max_mbytes), 2);
}

static bool over(u64 held, u64 bytes, u64 limit)
{
	u64 total;

	return check_add_overflow(held, bytes, &total) || total > limit;
}

/* Charge, or refuse. @raised: only the limits of the namespace and the machine apply. */
static int charge_try(struct mqbus_ns *ns, struct mqbus_user *user, u64 bytes, bool raised)
{
	u64 limit = mqbus_machine_limit(), each = mqbus_user_limit();
	struct mqbus_user *u;

	lockdep_assert_held(&account_lock);
	if (over(ns->bytes, bytes, READ_ONCE(ns->max_bytes)) ||
	    over(machine_bytes, bytes, raised ? limit : limit - limit / 16))
		return -ENOSPC;
	for (u = user; u && !raised; u = u->above)
		if (over(u->bytes, bytes, each))
			return -EDQUOT;
	ns->bytes += bytes;
	machine_bytes += bytes;
	for (u = user; u; u = u->above)
		u->bytes += bytes;
	return 0;
}

/* Takes the reference of @user. @caller: may have the right to more, or NULL */
static int charge_user(struct mqbus_charge *charge, struct mqbus_ns *ns, struct mqbus_user *user,
		       u64 bytes, const struct mqbus_caller *caller)
{
	bool raised = false;
	int err;

	if (!user)
		return -ENOMEM;
	/* The capability is asked for when it is needed, as using it leaves a mark */
	do {
		spin_lock(&account_lock);
		err = charge_try(ns, user, bytes, raised);
		spin_unlock(&account_lock);
		raised = err && !raised && caller &&
			 mqbus_caller_capable(caller, CAP_SYS_RESOURCE);
	} while (raised);
	if (err) {
		user_put(user);
		return err;
	}
	*charge = (struct mqbus_charge) { .ns = ns, .user = user, .bytes = bytes };
	return 0;
}

/**
 * mqbus_charge() - charge bytes, if the limits allow
 * @charge: filled on success; for mqbus_uncharge()
 * @ns: namespace, which outlives the charge
 * @caller: who pays. With CAP_SYS_RESOURCE only the limits of the namespace and of the machine
 *	apply
 * @bytes: not 0
 *
 * Return: 0, -EDQUOT over the limit of the caller's uid, or of one who answers for its user
 * namespace, -ENOSPC over the network namespace's or the machine's, -ENOMEM.
 */
int mqbus_charge(struct mqbus_charge *charge, struct mqbus_ns *ns,
		 const struct mqbus_caller *caller, u64 bytes)
{
	return charge_user(charge, ns, user_get(caller->cred->user_ns, caller->cred->fsuid),
			   bytes, caller);
}

/* As mqbus_charge(), to who paid for something else, without a right to more */
int mqbus_charge_with(struct mqbus_charge *charge, const struct mqbus_charge *other, u64 bytes)
{
	spin_lock(&account_lock);
	other->user->refs++;
	spin_unlock(&account_lock);
	return charge_user(charge, other->ns, other->user, bytes, NULL);
}

/* Undo mqbus_charge(); does nothing for an all-zero @charge */
void mqbus_uncharge(struct mqbus_charge *charge)
{
	struct mqbus_user *user = charge->user;

	if (!user)
		return;
	spin_lock(&account_lock);
	charge->ns->bytes -= charge->bytes;
	machine_bytes -= charge->bytes;
	for (; user; user = user->above)
		user->bytes -= charge->bytes;
	spin_unlock(&account_lock);
	user_put(charge->user);
	charge->user = NULL;
}

/**
 * mqbus_charged() - what is charged, for who asks
 * @ns: a namespace
 * @caller: a payer
 * @used: filled
 */
void mqbus_charged(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		   struct mqbus_charged *used)
{
	struct user_namespace *userns = caller->cred->user_ns;
	kuid_t uid = caller->cred->fsuid;
	struct mqbus_user *user, *above;

	*used = (struct mqbus_charged) {};
	/* The limit of one above may be closer. A search may be long: each has its own hold */
	do {
		spin_lock(&account_lock);
		used->ns = ns->bytes;
		used->machine = machine_bytes;
		user = user_find(userns, uid);
		for (above = user; above; above = above->above)
			used->user = max(used->user, above->bytes);
		spin_unlock(&account_lock);
	} while (!user && user_above(&userns, &uid));
}
