// SPDX-License-Identifier: GPL-2.0
/*
 * What a topic is told to be, when it is made and later.
 */
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/overflow.h>

#include "config.h"
#include "ns.h"
#include "queue.h"
#include "topic.h"
#include "who.h"

/* Of those that may change, whether the named ones are good. */
static int config_check_fields(const struct mqbus_topic_create *args, u32 fields)
{
	const u64 rates[] = {
		fields & MQBUS_TOPIC_SET_RATE ? args->rate : 0,
		fields & MQBUS_TOPIC_SET_RATE_BYTES ? args->rate_bytes : 0,
		fields & MQBUS_TOPIC_SET_USER_RATE ? args->user_rate : 0,
		fields & MQBUS_TOPIC_SET_USER_RATE_BYTES ? args->user_rate_bytes : 0,
	};
	unsigned int i;

	if ((fields & MQBUS_TOPIC_SET_FULL && args->full > MQBUS_FULL_EVICT) ||
	    (fields & MQBUS_TOPIC_SET_MODE && args->mode & ~0666) ||
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

/**
 * mqbus_config_check() - whether a topic can be like that
 * @args: what the user asks for
 * @bytes: filled with what it takes
 *
 * Return: 0 or a negative errno as of &struct mqbus_topic_create.
 */
int mqbus_config_check(const struct mqbus_topic_create *args, u64 *bytes)
{
	u64 parts = args->partitions ?: nr_cpu_ids;
	u64 each;
	int err;

	if (args->fields || !args->size || !is_power_of_2(args->size))
		return -EINVAL;
	err = config_check_fields(args, __MQBUS_TOPIC_SET_ALL) ?: mqbus_name_check(args->name);
	if (err)
		return err;
	if (args->share && args->full == MQBUS_FULL_EVICT)
		return -EOPNOTSUPP;
	if (args->partitions > MQBUS_PARTITIONS_MAX ||
	    args->size < max_t(u64, MQBUS_RING_MIN, PAGE_SIZE) ||
	    args->max_record > MQBUS_RECORD_MAX ||
	    args->max_record > args->size / 2 - sizeof(struct mqbus_record))
		return -ERANGE;
	/* Charged as a whole, so first of all it has to be a number */
	if (check_add_overflow(args->size, (u64)PAGE_SIZE + sizeof(struct mqbus_part), &each) ||
	    check_mul_overflow(each, parts, bytes) ||
	    check_add_overflow(*bytes, struct_size((struct mqbus_topic *)NULL, parts, parts),
			       bytes))
		return -EOVERFLOW;
	if (args->size > MQBUS_RING_MAX)
		return -ERANGE;
	return 0;
}

/* Change what is named; it was checked. */
static void config_apply(struct mqbus_topic *topic, const struct mqbus_topic_create *args,
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
	mqbus_limit_set(&topic->limit, args, fields);
}

/* Whose the topic is to be. Return: 0 or -EINVAL. */
static int config_owner(const struct mqbus_who *who, const struct mqbus_topic_create *args,
			u32 fields, kuid_t *uid, kgid_t *gid)
{
	if (fields & MQBUS_TOPIC_SET_UID)
		*uid = args->uid == MQBUS_ANY ? who->cred->fsuid :
						make_kuid(who->cred->user_ns, args->uid);
	if (fields & MQBUS_TOPIC_SET_GID)
		*gid = args->gid == MQBUS_ANY ? who->cred->fsgid :
						make_kgid(who->cred->user_ns, args->gid);
	return uid_valid(*uid) && gid_valid(*gid) ? 0 : -EINVAL;
}

/**
 * mqbus_config_new() - give a new topic its options and its owner
 * @topic: to fill
 * @who: who makes it
 * @args: what the user asks for, checked
 *
 * Return: 0, -EINVAL, -EPERM.
 */
int mqbus_config_new(struct mqbus_topic *topic, const struct mqbus_who *who,
		     const struct mqbus_topic_create *args)
{
	int err = config_owner(who, args, __MQBUS_TOPIC_SET_ALL, &topic->uid, &topic->gid);

	if (err)
		return err;
	if ((!uid_eq(topic->uid, who->cred->fsuid) ||
	     !gid_eq(topic->gid, who->cred->fsgid)) &&
	    !mqbus_who_capable(who, CAP_CHOWN))
		return -EPERM;
	config_apply(topic, args, __MQBUS_TOPIC_SET_ALL);
	return 0;
}

/* Whether somebody may change the topic like that. */
static int config_may(const struct mqbus_topic *topic, const struct mqbus_who *who,
		      const struct mqbus_topic_create *args)
{
	kuid_t uid = mqbus_topic_uid(topic);
	kgid_t gid = mqbus_topic_gid(topic);
	int err;

	if (!mqbus_who_owns(who, uid))
		return -EPERM;
	if (args->fields & MQBUS_TOPIC_SET_FULL && args->full != READ_ONCE(topic->full) &&
	    (args->full == MQBUS_FULL_EVICT || mqbus_topic_evicts(topic)))
		return -EOPNOTSUPP;
	if (args->fields & MQBUS_TOPIC_SET_SHARE && args->share && mqbus_topic_evicts(topic))
		return -EOPNOTSUPP;
	err = config_owner(who, args, args->fields, &uid, &gid);
	if (err)
		return err;
	if ((!uid_eq(uid, mqbus_topic_uid(topic)) || !gid_eq(gid, mqbus_topic_gid(topic))) &&
	    !mqbus_who_capable(who, CAP_CHOWN))
		return -EPERM;
	return 0;
}

/*
 * The topic may have got another owner, or have gone, since it was looked up: what
 * counts is asked under the lock.
 */
static int config_set_locked(struct mqbus_ns *ns, struct mqbus_topic *topic,
			     const struct mqbus_who *who,
			     const struct mqbus_topic_create *args)
{
	kuid_t uid = topic->uid;
	kgid_t gid = topic->gid;
	int err;

	lockdep_assert_held(&ns->lock);
	lockdep_assert_held(&topic->lock);

	if (mqbus_topic_dead(topic))
		return -ENOENT;
	err = config_may(topic, who, args) ?: config_owner(who, args, args->fields, &uid, &gid);
	if (err)
		return err;
	WRITE_ONCE(topic->uid, uid);
	WRITE_ONCE(topic->gid, gid);
	config_apply(topic, args, args->fields);
	atomic_inc(&ns->seq);
	return 0;
}

/**
 * mqbus_config_set() - change a topic
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which, and how
 *
 * Return: 0 or a negative errno as of &struct mqbus_topic_create.
 */
int mqbus_config_set(struct mqbus_ns *ns, const struct mqbus_who *who,
		     const struct mqbus_topic_create *args)
{
	struct mqbus_topic *topic;
	int err;

	if (args->fields & ~__MQBUS_TOPIC_SET_ALL)
		return -EOPNOTSUPP;
	if (!args->fields)
		return -EINVAL;
	err = mqbus_name_check(args->name) ?: config_check_fields(args, args->fields);
	if (err)
		return err;
	topic = mqbus_topic_find(ns, args->name);
	if (!topic)
		return -ENOENT;

	/* Memory first, and without the namespace's lock */
	mutex_lock(&topic->lock);
	err = config_may(topic, who, args);
	if (!err && args->fields & MQBUS_TOPIC_SET_SHARE && args->share)
		err = mqbus_limit_count(topic, ns, who);
	mutex_unlock(&topic->lock);

	if (!err) {
		mutex_lock(&ns->lock);
		mutex_lock(&topic->lock);
		err = config_set_locked(ns, topic, who, args);
		mutex_unlock(&topic->lock);
		mutex_unlock(&ns->lock);
	}
	/* Dead letters may be allowed in now */
	if (!err)
		mqbus_dlq_look(ns, topic->name);
	if (!err)
		mqbus_line_recheck(topic, NULL);
	mqbus_topic_put(topic);
	return err;
}
