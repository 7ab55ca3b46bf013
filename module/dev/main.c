// SPDX-License-Identifier: GPL-2.0
/*
 * mqbus: topics, partitions and consumer groups inside one machine.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/timer.h"
#include "ctl/ctl.h"
#include "ctl/netlink.h"
#include "dev/endpoint.h"
#include "group/lag.h"
#include "group/queue.h"

static struct miscdevice mqbus_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mqbus",
	.fops = &mqbus_fops,
	/* Topics and groups carry their own permissions */
	.mode = 0666,
};

static int __net_init main_net_init(struct net *net)
{
	struct mqbus_ns *ns = mqbus_ns_get(net);

	mqbus_dlq_ns_init(ns);
	mqbus_lag_ns_init(ns);
	return mqbus_ns_init(ns, net);
}

/*
 * Every endpoint and every mapping holds its namespace, so none is left here,
 * only topics without endpoints.
 */
static void __net_exit main_net_exit(struct net *net)
{
	struct mqbus_ns *ns = mqbus_ns_get(net);

	mqbus_ns_close(ns);
	mqbus_topic_delete_all(ns);
	/* An expired group's work may hold the last reference to its topic */
	flush_workqueue(mqbus_wq);
	mqbus_dlq_ns_exit(ns);
	mqbus_lag_ns_exit(ns);
	mqbus_ns_uninit(ns);
}

static struct pernet_operations mqbus_net_ops = {
	.init = main_net_init,
	.exit = main_net_exit,
	.id = &mqbus_ns_id,
	.size = sizeof(struct mqbus_ns),
};

static int __init mqbus_init(void)
{
	int err;

	err = mqbus_timer_setup();
	if (err)
		return err;
	err = mqbus_event_setup(&mqbus_netlink_family);
	if (err)
		goto cleanup_timer;
	err = register_pernet_subsys(&mqbus_net_ops);
	if (err)
		goto cleanup_event;
	err = mqbus_netlink_init();
	if (err)
		goto uninit_ns;
	err = misc_register(&mqbus_device);
	if (err)
		goto uninit_netlink;
	return 0;

uninit_netlink:
	mqbus_netlink_uninit();
uninit_ns:
	unregister_pernet_subsys(&mqbus_net_ops);
cleanup_event:
	mqbus_event_cleanup();
cleanup_timer:
	mqbus_timer_cleanup();
	return err;
}

static void __exit mqbus_exit(void)
{
	/* No file is open and no topic exists: each would hold the module */
	misc_deregister(&mqbus_device);
	mqbus_event_cleanup();
	mqbus_netlink_uninit();
	unregister_pernet_subsys(&mqbus_net_ops);
	mqbus_timer_cleanup();
}

module_init(mqbus_init);
module_exit(mqbus_exit);

MODULE_DESCRIPTION("Message bus with topics, partitions and consumer groups");
MODULE_AUTHOR("The mqbus authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(MQBUS_VERSION);
