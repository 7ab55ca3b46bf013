/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel headers for core, which includes no others. Smaller ones of the same names exist
 * for userspace under selftests/core/shim, where core is tested and fuzzed.
 */
#ifndef _MQBUS_CORE_SYS_H
#define _MQBUS_CORE_SYS_H

#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <linux/mqbus.h>

#endif /* _MQBUS_CORE_SYS_H */
