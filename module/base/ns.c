// SPDX-License-Identifier: GPL-2.0
/*
 * One bus in each network namespace, with its limits under net.mqbus.
 */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/netns/generic.h>

#include "base/account.h"
#include "base/compat.h"
#include "base/ns.h"

#define MAX_TOPICS_DEFAULT	4096
#define MAX_GROUPS_DEFAULT	64
/* Writers look at every group of a topic when they need space */
#define MAX_GROUPS_LIMIT	1024

/* For net_generic(); set by register_pernet_subsys() */
unsigned int mqbus_ns_id;

static unsigned long max_topics_limit = 1UL << 20;
static unsigned long max_groups_limit = MAX_GROUPS_LIMIT;

/*
 * The namespace's administrator may lower a limit; raising it needs CAP_SYS_RESOURCE over
 * the machine, or a container would set its own limits.
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

/* @ns: zeroed */
int mqbus_ns_init(struct mqbus_ns *ns, struct net *net)
{
	ns->net = net;
	mutex_init(&ns->lock);
	mutex_init(&ns->dlq_lock);
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

/* Remove the sysctls of a bus without endpoints: its limits change no more */
void mqbus_ns_close(struct mqbus_ns *ns)
{
	unregister_net_sysctl_table(ns->header);
	kfree(ns->table);
}

/* Undo mqbus_ns_init() for a bus that is closed and empty */
void mqbus_ns_uninit(struct mqbus_ns *ns)
{
	mqbus_event_ns_exit(ns);
	WARN_ON_ONCE(ns->bytes);
}

/* The bus of a network namespace; it lives as long as @net */
struct mqbus_ns *mqbus_ns_get(struct net *net)
{
	return net_generic(net, mqbus_ns_id);
}
