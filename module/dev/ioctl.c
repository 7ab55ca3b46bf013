// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl: decode, call, encode. One table; a structure may grow at its end.
 */
#include <linux/build_bug.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "base/account.h"
#include "base/ns.h"
#include "ctl/ctl.h"
#include "dev/endpoint.h"
#include "group/group.h"
#include "group/fetch.h"
#include "group/lease.h"
#include "log/publish.h"
#include "log/topic.h"
#include "log/turn.h"
#include "txn/transact.h"

union mqbus_args {
	u32 flags;	/* the first member of each structure */
	struct mqbus_info info;
	struct mqbus_topic_create topic_create;
	struct mqbus_topic_delete topic_delete;
	struct mqbus_group_create group_create;
	struct mqbus_group_delete group_delete;
	struct mqbus_group_seek group_seek;
	struct mqbus_produce produce;
	struct mqbus_join join;
	struct mqbus_publish publish;
	struct mqbus_fetch fetch;
	struct mqbus_commit commit;
	struct mqbus_geometry geometry;
	struct mqbus_group_set group_set;
	struct mqbus_lease lease;
	struct mqbus_transact transact;
	struct mqbus_wait wait;
	struct mqbus_enter enter;
};

struct mqbus_call {
	struct mqbus_endpoint *ep;
	struct mqbus_caller caller;
	struct mqbus_ns *ns;
	bool nonblock;
	union mqbus_args args;		/* in and out */
};

/* The namespace that the endpoint is in, and the rights of the caller there */
static void call_locate(struct mqbus_call *call)
{
	call->caller = mqbus_endpoint_caller(call->ep);
	call->ns = mqbus_ns_get(call->caller.net);
}

static int do_info(struct mqbus_call *call)
{
	struct mqbus_info *info = &call->args.info;
	struct mqbus_charged used;

	mqbus_charged(call->ns, &call->caller, &used);
	*info = (struct mqbus_info) {
		.record_header = sizeof(struct mqbus_record),
		.max_bytes = READ_ONCE(call->ns->max_bytes),
		.used_bytes = used.ns,
		.max_user_bytes = mqbus_user_limit(),
		.max_topics = READ_ONCE(call->ns->max_topics),
		.max_groups = READ_ONCE(call->ns->max_groups),
		.page_size = PAGE_SIZE,
		.cpus = nr_cpu_ids,
		.used_user_bytes = used.user,
		.max_machine_bytes = mqbus_machine_limit(),
		.used_machine_bytes = used.machine,
	};
	return 0;
}

static int do_topic_create(struct mqbus_call *call)
{
	return mqbus_topic_create(call->ns, &call->caller, &call->args.topic_create);
}

static int do_topic_delete(struct mqbus_call *call)
{
	const struct mqbus_topic_delete *del = &call->args.topic_delete;

	if (del->__reserved)
		return -EINVAL;
	return mqbus_name_check(del->name) ?:
	       mqbus_topic_delete(call->ns, &call->caller, del->name);
}

static int do_group_create(struct mqbus_call *call)
{
	return mqbus_group_create(call->ns, &call->caller, &call->args.group_create);
}

static int do_group_delete(struct mqbus_call *call)
{
	return mqbus_group_delete(call->ns, &call->caller, &call->args.group_delete);
}

static int do_group_seek(struct mqbus_call *call)
{
	return mqbus_group_seek(call->ns, &call->caller, &call->args.group_seek);
}

static bool endpoint_bound(const struct mqbus_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	return ep->producer || ep->member;
}

/*
 * Join the bus of another namespace. Whoever has a descriptor of it may: it came from its
 * owner. Rights there are those of the opener's credentials. Calls that run meanwhile stay where
 * they began, so the endpoint holds its first namespace too.
 */
static int do_enter(struct mqbus_call *call)
{
	struct net *net = get_net_ns_by_fd(call->args.enter.netns);
	struct mqbus_endpoint *ep = call->ep;
	int err = -EBADFD;

	if (IS_ERR(net))
		return PTR_ERR(net);
	mutex_lock(&ep->lock);
	if (!endpoint_bound(ep) && !ep->entered) {
		/* ORD_ENTER: release; pairs with acquire in mqbus_endpoint_caller() */
		smp_store_release(&ep->entered, net);
		err = 0;
	}
	mutex_unlock(&ep->lock);
	if (err)
		put_net(net);
	return err;
}

static int do_produce(struct mqbus_call *call)
{
	struct mqbus_endpoint *ep = call->ep;
	struct mqbus_producer *producer = ERR_PTR(-EBADFD);

	mutex_lock(&ep->lock);
	/* What is bound never leaves its namespace */
	call_locate(call);
	if (!endpoint_bound(ep))
		producer = mqbus_producer_open(call->ns, &call->caller, &call->args.produce);
	if (!IS_ERR(producer))
		/* ORD_BIND: release; pairs with acquire in mqbus_endpoint_producer() */
		smp_store_release(&ep->producer, producer);
	mutex_unlock(&ep->lock);
	return PTR_ERR_OR_ZERO(producer);
}

static int do_join(struct mqbus_call *call)
{
	struct mqbus_endpoint *ep = call->ep;
	struct mqbus_member *member = ERR_PTR(-EBADFD);

	mutex_lock(&ep->lock);
	call_locate(call);
	if (!endpoint_bound(ep))
		member = mqbus_member_join(call->ns, &call->caller, &call->args.join);
	if (!IS_ERR(member))
		/* ORD_BIND: release; pairs with acquire in mqbus_endpoint_member() */
		smp_store_release(&ep->member, member);
	mutex_unlock(&ep->lock);
	return PTR_ERR_OR_ZERO(member);
}

static int do_publish(struct mqbus_call *call)
{
	struct mqbus_producer *producer = mqbus_endpoint_producer(call->ep);

	return producer ? mqbus_publish_batch(producer, &call->args.publish, call->nonblock) :
			  -EBADFD;
}

static int do_group_set(struct mqbus_call *call)
{
	return mqbus_group_set(call->ns, &call->caller, &call->args.group_set);
}

/* An endpoint as a member of a group of that type, or NULL. */
static struct mqbus_member *endpoint_member(struct mqbus_endpoint *ep, enum mqbus_group_type type)
{
	struct mqbus_member *member = mqbus_endpoint_member(ep);

	return member && member->group->ops->type == type ? member : NULL;
}

static int do_fetch(struct mqbus_call *call)
{
	struct mqbus_member *member = endpoint_member(call->ep, MQBUS_GROUP_STREAM);

	return member ? mqbus_fetch(member, &call->args.fetch, call->nonblock) : -EBADFD;
}

static int do_commit(struct mqbus_call *call)
{
	struct mqbus_member *member = endpoint_member(call->ep, MQBUS_GROUP_STREAM);

	return member ? mqbus_member_commit(member, &call->args.commit) : -EBADFD;
}

static int do_lease(struct mqbus_call *call)
{
	struct mqbus_member *member = endpoint_member(call->ep, MQBUS_GROUP_QUEUE);

	return member ? mqbus_lease(member, &call->args.lease, call->nonblock) : -EBADFD;
}

static bool endpoint_of(struct file *file, struct mqbus_ns *ns,
			struct mqbus_producer **producer, struct mqbus_member **member)
{
	const struct mqbus_endpoint *ep = file->private_data;

	/* Only files of this device have an endpoint in private_data */
	if (file->f_op->unlocked_ioctl != mqbus_ioctl)
		return false;
	*producer = mqbus_endpoint_producer(ep);
	*member = mqbus_endpoint_member(ep);
	/* Asked last: once it is bound, this does not change */
	return mqbus_ns_get(mqbus_endpoint_caller(ep).net) == ns;
}

static int do_transact(struct mqbus_call *call)
{
	return mqbus_transact(call->ns, endpoint_of, &call->args.transact, call->nonblock);
}

static int do_wait(struct mqbus_call *call)
{
	return mqbus_group_wait(call->ns, &call->caller, &call->args.wait, call->nonblock);
}

/* Whether records may be dropped before a member has read them, whatever the topic does */
static bool endpoint_observes(struct mqbus_endpoint *ep)
{
	const struct mqbus_member *member = mqbus_endpoint_member(ep);

	return member && member->group->observes;
}

static int do_geometry(struct mqbus_call *call)
{
	const struct mqbus_producer *producer = mqbus_endpoint_producer(call->ep);
	const struct mqbus_topic *topic = mqbus_endpoint_topic(call->ep);
	struct mqbus_geometry *geo = &call->args.geometry;
	const struct mqbus_part *part;

	if (!topic)
		return -EBADFD;
	part = mqbus_endpoint_part(call->ep, geo->partition);
	if (!part)
		return -ECHRNG;
	*geo = (struct mqbus_geometry) {
		.partition = geo->partition,
		/* The retry ring is mapped behind all partitions */
		.map_offset = min(geo->partition, topic->nr_parts) *
			      mqbus_memory_map_len(topic->ring_size),
		.map_len = mqbus_memory_map_len(part->mem.size),
		.data_offset = PAGE_SIZE,
		.size = part->mem.size,
		.partitions = topic->nr_parts,
		.full = endpoint_observes(call->ep) ? MQBUS_FULL_EVICT : READ_ONCE(topic->full),
		.max_record = topic->max_record,
		.why = producer ? mqbus_producer_why(producer) : MQBUS_WHY_NONE,
	};
	return 0;
}

/**
 * struct mqbus_ioctl_op - a row of the table
 * @cmd: the ioctl's number with the size known here
 * @min_size: size of the structure in its first version
 * @flags: allowed flags
 * @out: offset from which the structure is written back
 * @always: write it back even on failure, to report more than an errno
 * @fn: takes and fills the structure
 */
struct mqbus_ioctl_op {
	unsigned int cmd;
	unsigned int min_size;
	u32 flags;
	unsigned int out;
	bool always;
	int (*fn)(struct mqbus_call *call);
};

/* @_last: last member of the first version; @_out: bytes not to be written back */
#define __IOCTL_OP(_name, _fn, _struct, _last, _flags, _out, _always)	\
	[_IOC_NR(MQBUS_IOC_##_name)] = {				\
		.cmd = MQBUS_IOC_##_name,				\
		.min_size = offsetofend(_struct, _last) +		\
			    BUILD_BUG_ON_ZERO(offsetof(_struct, flags)), \
		.flags = _flags,					\
		.out = _out,						\
		.always = _always,					\
		.fn = _fn,						\
	}
#define IOCTL_OP(_name, _fn, _struct, _last, _flags, _out)	\
	__IOCTL_OP(_name, _fn, _struct, _last, _flags, _out, false)
#define IOCTL_OP_ALWAYS(_name, _fn, _struct, _last, _flags, _out)	\
	__IOCTL_OP(_name, _fn, _struct, _last, _flags, _out, true)

#define OUT_FROM(_struct, _member)	offsetof(_struct, _member)
#define OUT_NOTHING			UINT_MAX

static const struct mqbus_ioctl_op ioctl_ops[] = {
	IOCTL_OP(INFO, do_info, struct mqbus_info, cpus, 0,
		 OUT_FROM(struct mqbus_info, flags)),
	IOCTL_OP(TOPIC_CREATE, do_topic_create, struct mqbus_topic_create, name,
		 __MQBUS_TOPIC_F_ALL, OUT_NOTHING),
	IOCTL_OP(TOPIC_DELETE, do_topic_delete, struct mqbus_topic_delete, name, 0,
		 OUT_NOTHING),
	IOCTL_OP(GROUP_CREATE, do_group_create, struct mqbus_group_create, group,
		 __MQBUS_GROUP_F_ALL,
		 OUT_NOTHING),
	IOCTL_OP(GROUP_DELETE, do_group_delete, struct mqbus_group_delete, group,
		 __MQBUS_GROUP_DELETE_F_ALL, OUT_NOTHING),
	IOCTL_OP(GROUP_SEEK, do_group_seek, struct mqbus_group_seek, group,
		 __MQBUS_GROUP_SEEK_F_ALL, OUT_FROM(struct mqbus_group_seek, nr_results)),
	IOCTL_OP(PRODUCE, do_produce, struct mqbus_produce, topic, 0,
		 OUT_FROM(struct mqbus_produce, producer)),
	IOCTL_OP(JOIN, do_join, struct mqbus_join, group, 0,
		 OUT_NOTHING),
	IOCTL_OP(PUBLISH, do_publish, struct mqbus_publish, error, 0,
		 OUT_FROM(struct mqbus_publish, published)),
	IOCTL_OP(FETCH, do_fetch, struct mqbus_fetch, timeout, __MQBUS_FETCH_F_ALL,
		 OUT_FROM(struct mqbus_fetch, nr_ranges)),
	IOCTL_OP(COMMIT, do_commit, struct mqbus_commit, committed, __MQBUS_COMMIT_F_ALL,
		 OUT_FROM(struct mqbus_commit, committed)),
	IOCTL_OP(GEOMETRY, do_geometry, struct mqbus_geometry, why, 0,
		 OUT_FROM(struct mqbus_geometry, map_offset)),
	IOCTL_OP(GROUP_SET, do_group_set, struct mqbus_group_set, queue, 0,
		 OUT_NOTHING),
	IOCTL_OP(LEASE, do_lease, struct mqbus_lease, __reserved, __MQBUS_LEASE_F_ALL,
		 OUT_FROM(struct mqbus_lease, nr_leases)),
	IOCTL_OP_ALWAYS(TRANSACT, do_transact, struct mqbus_transact, __reserved2, 0,
			OUT_FROM(struct mqbus_transact, failed_act)),
	IOCTL_OP(WAIT, do_wait, struct mqbus_wait, group, 0,
		 OUT_NOTHING),
	IOCTL_OP(ENTER, do_enter, struct mqbus_enter, netns, 0,
		 OUT_NOTHING),
};

/*
 * Whether the output part is writable: it lies on two pages at most, so writing its ends
 * with their present values is enough.
 */
static bool ioctl_writable(void __user *user, const void *args, unsigned int from,
			   unsigned int to)
{
	const u32 *first = args + from, *last = args + to - sizeof(u32);

	return !put_user(*first, (u32 __user *)(user + from)) &&
	       !put_user(*last, (u32 __user *)(user + to - sizeof(u32)));
}

long mqbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mqbus_call call = {
		.ep = file->private_data,
		.nonblock = file->f_flags & O_NONBLOCK,
	};
	void __user *user = (void __user *)arg;
	unsigned int size = _IOC_SIZE(cmd), nr = _IOC_NR(cmd);
	const struct mqbus_ioctl_op *op;
	int err;

	if (_IOC_TYPE(cmd) != MQBUS_IOC_MAGIC || nr >= ARRAY_SIZE(ioctl_ops))
		return -ENOTTY;
	op = &ioctl_ops[array_index_nospec(nr, ARRAY_SIZE(ioctl_ops))];
	if (_IOC_DIR(cmd) != _IOC_DIR(op->cmd) || size < op->min_size)
		return -ENOTTY;
	err = copy_struct_from_user(&call.args, _IOC_SIZE(op->cmd), user, size);
	if (err)
		return err;
	if (call.args.flags & ~op->flags)
		return -EOPNOTSUPP;
	/* If the output cannot be written, the call must not take effect */
	size = min(size, _IOC_SIZE(op->cmd));
	if (op->out < size && !ioctl_writable(user, &call.args, op->out, size))
		return -EFAULT;
	call_locate(&call);
	err = op->fn(&call);
	if (err && !op->always)
		return err;
	/* The user's tail that this kernel does not know was zero, and stays so */
	if (op->out < size && copy_to_user(user + op->out, (void *)&call.args + op->out,
					   size - op->out))
		return err ?: -EFAULT;
	return err;
}
