// SPDX-License-Identifier: GPL-2.0
/*
 * Members: join, leave, and the calls common to all types.
 */
#include <linux/pid.h>
#include <linux/slab.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/sleep.h"
#include "base/caller.h"
#include "group/group.h"
#include "group/member.h"
#include "log/topic.h"

/*
 * Join the group that @args names. Return: the member, for mqbus_member_close(), or a negative
 * errno as of &struct mqbus_join.
 */
struct mqbus_member *mqbus_member_join(struct mqbus_ns *ns, const struct mqbus_caller *caller,
				       const struct mqbus_join *args)
{
	struct mqbus_member *member;
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	int err;

	if (args->__reserved)
		return ERR_PTR(-EINVAL);
	err = mqbus_name_check(args->group) ?:
	      mqbus_name_check_any(args->member) ?:
	      mqbus_topic_open(ns, caller, args->topic, MQBUS_MAY_READ, &topic);
	if (err)
		return ERR_PTR(err);
	err = -ENOENT;
	group = mqbus_group_find(topic, args->group);
	if (!group)
		goto put_topic;
	err = -EACCES;
	if (!mqbus_group_may(group, caller, MQBUS_MAY_WRITE))
		goto put_group;
	err = -ENOMEM;
	member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		goto put_group;

	mutex_init(&member->read_lock);
	init_waitqueue_head(&member->wait);
	mqbus_crowd_init(&member->crowd, &member->wait);
	member->topic = topic;
	member->group = group;
	member->pid = get_pid(task_tgid(current));
	get_task_comm(member->comm, current);
	member->uid = caller->cred->fsuid;
	member->holder.pid = task_tgid_vnr(current);
	member->holder.uid = from_kuid_munged(ns->net->user_ns, caller->cred->fsuid);
	err = group->ops->enter(group, member, args->member);
	if (!err) {
		mqbus_expiry_look(group);
		return member;
	}

	put_pid(member->pid);
	kfree(member);
put_group:
	mqbus_group_put(group);
put_topic:
	mqbus_topic_put(topic);
	return ERR_PTR(err);
}

/* Leave the group; the member has no other user left */
void mqbus_member_close(struct mqbus_member *member)
{
	member->group->ops->leave(member->group, member);
	mqbus_crowd_end(&member->crowd);
	mqbus_expiry_look(member->group);
	mqbus_group_put(member->group);
	mqbus_topic_put(member->topic);
	put_pid(member->pid);
	kfree_rcu(member, rcu);
}

/* Report an event of a member. @id: its id, or NULL; @count: records that it held */
void mqbus_member_report(const struct mqbus_member *member, enum mqbus_event_kind kind,
			 const char *id, u64 count)
{
	mqbus_group_report(member->group, &(struct mqbus_event) {
		.kind = kind, .id = id, .comm = member->comm, .pid = pid_nr(member->pid),
		.uid = member->uid, .count = count,
	});
}

/*
 * Settle the previous record and read the next one's value. Return: bytes, or a negative errno:
 * EMSGSIZE and EFAULT (the record stays), EAGAIN, EIDRM, ENOLINK (the previous record could not be
 * settled), or of a signal.
 */
ssize_t mqbus_member_read(struct mqbus_member *member, struct iov_iter *to,
			  bool nonblock)
{
	ktime_t deadline = mqbus_deadline(MQBUS_WAIT_FOREVER, nonblock);
	ssize_t ret;

	if (mutex_lock_interruptible(&member->read_lock))
		return -ERESTARTSYS;
	ret = member->group->ops->read(member, to, deadline);
	mutex_unlock(&member->read_lock);
	return ret;
}

/*
 * Return: EPOLLIN when there is something to fetch, EPOLLPRI when a partition is revoked (until
 * a range or a commit has dealt with that) or the member was fenced, EPOLLHUP when the topic or
 * the group is gone or another member joined with the same id.
 */
__poll_t mqbus_member_poll(struct mqbus_member *member, struct file *file,
			   struct poll_table_struct *wait)
{
	return member->group->ops->poll(member, file, wait);
}
