// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration of topics, at creation and later.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "base/caller.h"
#include "ctl/config.h"
#include "log/topic.h"

/*
 * Check the options that @fields selects, all of which may change later. Return: 0 or a negative
 * errno as of &struct mqbus_topic_create.
 */
int mqbus_config_check_fields(const struct mqbus_topic_create *args, u32 fields)
{
	const u64 rates[] = {
		fields & MQBUS_TOPIC_SET_RATE ? args->rate : 0,
		fields & MQBUS_TOPIC_SET_RATE_BYTES ? args->rate_bytes : 0,
		fields & MQBUS_TOPIC_SET_USER_RATE ? args->user_rate : 0,
		fields & MQBUS_TOPIC_SET_USER_RATE_BYTES ? args->user_rate_bytes : 0,
	};
	unsigned int i;

	if ((fields & MQBUS_TOPIC_SET_FULL && args->full > MQBUS_FULL_EVICT) ||
	    (fields & MQBUS_TOPIC_SET_MODE && args->mode & ~0777) ||
	    (fields & MQBUS_TOPIC_SET_OVER && args->over > MQBUS_OVER_REJECT))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(rates); i++)
		if (rates[i] > MQBUS_RATE_MAX)
			return -ERANGE;
	if ((fields & MQBUS_TOPIC_SET_BURST && args->burst > MQBUS_DELAY_MAX) ||
	    (fields & MQBUS_TOPIC_SET_SHARE && args->share > 100))
		return -ERANGE;
	return 0;
}

/*
 * Check the configuration of a new topic. @bytes: set to the memory that it takes. Return: 0 or a
 * negative errno as of &struct mqbus_topic_create.
 */
int mqbus_config_check(const struct mqbus_topic_create *args, u64 *bytes)
{
	u64 parts = args->partitions ?: nr_cpu_ids;
	u64 each;
	int err;

	if (args->fields || !args->size || !is_power_of_2(args->size))
		return -EINVAL;
	err = mqbus_config_check_fields(args, __MQBUS_TOPIC_SET_ALL) ?:
	      mqbus_name_check(args->name);
	if (err)
		return err;
	if (args->share && args->full == MQBUS_FULL_EVICT)
		return -EOPNOTSUPP;
	if (args->partitions > MQBUS_PARTITIONS_MAX ||
	    args->size < max_t(u64, MQBUS_RING_MIN, PAGE_SIZE) ||
	    args->max_record > MQBUS_RECORD_MAX ||
	    args->max_record > args->size / 2 - sizeof(struct mqbus_record))
		return -ERANGE;
	/* The whole is charged, so it must not overflow */
	if (check_add_overflow(args->size, (u64)PAGE_SIZE + sizeof(struct mqbus_part), &each) ||
	    check_mul_overflow(each, parts, bytes) ||
	    check_add_overflow(*bytes, struct_size((struct mqbus_topic *)NULL, parts, parts),
			       bytes))
		return -EOVERFLOW;
	if (args->size > MQBUS_RING_MAX)
		return -ERANGE;
	return 0;
}

/* Set the options that @fields selects; @args is checked */
void mqbus_config_apply(struct mqbus_topic *topic, const struct mqbus_topic_create *args,
			u32 fields)
{
	if (fields & MQBUS_TOPIC_SET_RETENTION)
		WRITE_ONCE(topic->retention, args->retention);
	if (fields & MQBUS_TOPIC_SET_RETENTION_SIZE)
		WRITE_ONCE(topic->retention_size, args->retention_size);
	if (fields & MQBUS_TOPIC_SET_FULL)
		WRITE_ONCE(topic->full, args->full);
	if (fields & MQBUS_TOPIC_SET_MODE)
		WRITE_ONCE(topic->mode, args->mode);
	mqbus_quota_set(&topic->quota, args, fields);
}

/*
 * Replace *@uid and *@gid, the present owner, by one that a user names, each unless the name is
 * NULL. Return: 0, -EINVAL, or -EPERM: the caller may not give away what it owns.
 */
int mqbus_config_owner(const struct mqbus_caller *caller, const u32 *new_uid, const u32 *new_gid,
		       kuid_t *uid, kgid_t *gid)
{
	struct user_namespace *over = caller->net->user_ns;
	kuid_t old_uid = *uid;
	kgid_t old_gid = *gid;
	bool to_uid, to_gid;

	if (new_uid)
		*uid = *new_uid == MQBUS_ANY ? caller->cred->fsuid :
					       make_kuid(caller->cred->user_ns, *new_uid);
	if (new_gid)
		*gid = *new_gid == MQBUS_ANY ? caller->cred->fsgid :
					       make_kgid(caller->cred->user_ns, *new_gid);
	if (!uid_valid(*uid) || !gid_valid(*gid))
		return -EINVAL;
	to_uid = !uid_eq(*uid, old_uid);
	to_gid = !gid_eq(*gid, old_gid);
	if (!to_uid && !to_gid)
		return 0;
	/* As with files: the capability is over the uids and gids of the bus's user namespace */
	if ((to_uid && !kuid_has_mapping(over, *uid)) || (to_gid && !kgid_has_mapping(over, *gid)))
		return -EPERM;
	return mqbus_caller_capable(caller, CAP_CHOWN) ? 0 : -EPERM;
}
