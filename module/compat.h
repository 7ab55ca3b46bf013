/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows kernel versions. Each entry says what came when, and
 * goes when the oldest supported kernel (6.1) has it.
 */
#ifndef _MQBUS_COMPAT_H
#define _MQBUS_COMPAT_H

#include <linux/mm.h>
#include <linux/sysctl.h>
#include <linux/version.h>
#include <net/genetlink.h>

/* 6.3: vma flags are changed through functions */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/* 6.6: tables come with their size; 6.11: and without an empty last entry */
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

#endif /* _MQBUS_COMPAT_H */
