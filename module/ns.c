// SPDX-License-Identifier: GPL-2.0
/*
 * One bus in each network namespace, with its limits under net.mqbus.
 */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/netns/generic.h>

#include "account.h"
#include "compat.h"
#include "ns.h"
#include "queue.h"
#include "topic.h"

#define MAX_TOPICS_DEFAULT	4096
#define MAX_GROUPS_DEFAULT	64
/* Writers look at every group of a topic when they need space */
#define MAX_GROUPS_LIMIT	1024

static unsigned int ns_id;

static unsigned long max_topics_limit = 1UL << 20;
static unsigned long max_groups_limit = MAX_GROUPS_LIMIT;

/*
 * Lowering is for the namespace's administrator, raising for who may raise
 * limits of the machine: otherwise a container would set its own.
 */
static int ns_sysctl_limit(mqbus_ctl_table *ctl, int write, void *buffer,
			   size_t *len, loff_t *pos)
{
	unsigned long *limit = ctl->data, value = READ_ONCE(*limit);
	struct ctl_table copy = *ctl;
	int err;

	copy.data = &value;
	err = proc_doulongvec_minmax(&copy, write, buffer, len, pos);
	if (err || !write)
		return err;
	if (!value)
		return -EINVAL;
	if (value > READ_ONCE(*limit) && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	WRITE_ONCE(*limit, value);
	return 0;
}

static const struct ctl_table ns_table[] = {
	{
		.procname	= "max_bytes",
		.maxlen		= sizeof(unsigned long),
		.mode		= 0644,
		.proc_handler	= ns_sysctl_limit,
	}, {
		.procname	= "max_topics",
		.maxlen		= sizeof(unsigned long),
		.mode		= 0644,
		.proc_handler	= ns_sysctl_limit,
		.extra2		= &max_topics_limit,
	}, {
		.procname	= "max_groups",
		.maxlen		= sizeof(unsigned long),
		.mode		= 0644,
		.proc_handler	= ns_sysctl_limit,
		.extra2		= &max_groups_limit,
	},
};

static int __net_init ns_net_init(struct net *net)
{
	struct mqbus_ns *ns = mqbus_ns_get(net);

	ns->net = net;
	mutex_init(&ns->lock);
	mutex_init(&ns->dlq_lock);
	mqbus_dlq_ns_init(ns);
	mqbus_event_ns_init(ns);
	hash_init(ns->topics);
	atomic_set(&ns->seq, 1);	/* a dump does not notice a change from 0 */
	ns->max_bytes = min_t(u64, mqbus_ns_default_limit(), ULONG_MAX);
	ns->max_topics = MAX_TOPICS_DEFAULT;
	ns->max_groups = MAX_GROUPS_DEFAULT;

	ns->table = kcalloc(ARRAY_SIZE(ns_table) + MQBUS_SYSCTL_SENTINEL,
			    sizeof(*ns->table), GFP_KERNEL_ACCOUNT);
	if (!ns->table)
		return -ENOMEM;
	memcpy(ns->table, ns_table, sizeof(ns_table));
	ns->table[0].data = &ns->max_bytes;
	ns->table[1].data = &ns->max_topics;
	ns->table[2].data = &ns->max_groups;
	ns->header = register_net_sysctl_sz(net, "net/mqbus", ns->table,
					    ARRAY_SIZE(ns_table));
	if (!ns->header) {
		kfree(ns->table);
		return -ENOMEM;
	}
	return 0;
}

/*
 * Every endpoint and every mapping holds its namespace, so none is left here;
 * what remains are topics that nobody has open.
 */
static void __net_exit ns_net_exit(struct net *net)
{
	struct mqbus_ns *ns = mqbus_ns_get(net);

	unregister_net_sysctl_table(ns->header);
	kfree(ns->table);
	mqbus_topic_delete_all(ns);
	mqbus_dlq_ns_exit(ns);
	mqbus_event_ns_exit(ns);
	WARN_ON_ONCE(ns->bytes);
}

static struct pernet_operations ns_net_ops = {
	.init = ns_net_init,
	.exit = ns_net_exit,
	.id = &ns_id,
	.size = sizeof(struct mqbus_ns),
};

/**
 * mqbus_ns_get() - the bus of a network namespace
 * @net: the namespace
 *
 * Return: the bus; it lives as long as @net.
 */
struct mqbus_ns *mqbus_ns_get(struct net *net)
{
	return net_generic(net, ns_id);
}

/**
 * mqbus_ns_init() - make a bus in each namespace, now and later
 *
 * Return: 0 or a negative errno.
 */
int mqbus_ns_init(void)
{
	return register_pernet_subsys(&ns_net_ops);
}

/**
 * mqbus_ns_uninit() - undo mqbus_ns_init()
 */
void mqbus_ns_uninit(void)
{
	unregister_pernet_subsys(&ns_net_ops);
}
