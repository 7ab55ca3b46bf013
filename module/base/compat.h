/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place with kernel versions. Each entry names the version of a change; remove it
 * when the oldest supported kernel (6.1) has the change.
 */
#ifndef _MQBUS_COMPAT_H
#define _MQBUS_COMPAT_H

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sysctl.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/sock.h>

#ifndef CONFIG_64BIT
#error "mqbus is for 64-bit kernels: rings are mapped twice and positions have 64 bits"
#endif

/* 6.3 and 6.1.13: empty where the architecture needs no barrier */
#ifndef barrier_nospec
#define barrier_nospec()	do { } while (0)
#endif

/* 6.3: vma flags are changed through functions */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/* 6.6: tables are registered with their size; 6.11: without an empty last entry */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define register_net_sysctl_sz(net, path, table, size) \
	register_net_sysctl(net, path, table)
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define MQBUS_SYSCTL_SENTINEL	1
#define mqbus_ctl_table		struct ctl_table
#else
#define MQBUS_SYSCTL_SENTINEL	0
#define mqbus_ctl_table		const struct ctl_table
#endif

/* 6.7: a dump's attributes are in its genl_info */
static inline struct nlattr **mqbus_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_dumpit_info(cb)->info.attrs;
#endif
}

/* 6.10: the declaration of a string has its source */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define mqbus_assign_str(dst, src)	__assign_str(dst, src)
#else
#define mqbus_assign_str(dst, src)	__assign_str(dst)
#endif

/* 6.17: a socket's uid through a function */
static inline kuid_t mqbus_sock_uid(const struct sock *sk)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return READ_ONCE(sk->sk_uid);
#else
	return sk_uid(sk);
#endif
}

/*
 * 6.8: events can be filtered by listener. Before that only root of the network namespace
 * may listen, and gets all; without GENL_MCAST_CAP_SYS_ADMIN (before 6.7, 6.1.68) everybody
 * may listen, and gets only events that everybody may read.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0) && defined(GENL_MCAST_CAP_SYS_ADMIN)
#define MQBUS_EVENTS_FLAGS	.flags = GENL_MCAST_CAP_SYS_ADMIN
#define MQBUS_EVENTS_FOR_ROOT	true
#else
#define MQBUS_EVENTS_FLAGS
#define MQBUS_EVENTS_FOR_ROOT	false
#endif

/*
 * Send to the only multicast group of a family, except to sockets for which @filter is true;
 * @all: @filter is false for all.
 */
static inline void mqbus_multicast_filtered(const struct genl_family *family, struct net *net,
					    struct sk_buff *skb,
					    int (*filter)(struct sock *sk, struct sk_buff *skb,
							  void *data),
					    void *data, bool all)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	if (all || MQBUS_EVENTS_FOR_ROOT)
		genlmsg_multicast_netns(family, net, skb, 0, 0, GFP_KERNEL);
	else
		nlmsg_free(skb);
#else
	genlmsg_multicast_netns_filtered(family, net, skb, 0, 0, GFP_KERNEL, filter, data);
#endif
}

#endif /* _MQBUS_COMPAT_H */
