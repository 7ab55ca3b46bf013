/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_LINUX_COMPILER_H
#define SHIM_LINUX_COMPILER_H

#include <stddef.h>

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((__noinline__))

/*
 * What threads share is only touched through the macros of this file, of
 * <asm/barrier.h> and of <linux/spinlock.h>. A test may look in on each of these
 * places: after a store and before a load or a lock, where another CPU may come
 * in between.
 */
enum shim_op {
	SHIM_READ,
	SHIM_ACQUIRE,
	SHIM_WRITE,
	SHIM_RELEASE,
	SHIM_RMB,
	SHIM_WMB,
	SHIM_LOCK,
};

#ifdef SHIM_HOOK
extern void (*shim_hook)(enum shim_op op, const volatile void *at);

static inline void shim_call(enum shim_op op, const volatile void *at)
{
	if (shim_hook)
		shim_hook(op, at);
}
#else
static inline void shim_call(enum shim_op op, const volatile void *at)
{
}
#endif

#define READ_ONCE(x) ({						\
	shim_call(SHIM_READ, &(x));				\
	__atomic_load_n(&(x), __ATOMIC_RELAXED);		\
})

#define WRITE_ONCE(x, value) ({					\
	__atomic_store_n(&(x), (value), __ATOMIC_RELAXED);	\
	shim_call(SHIM_WRITE, &(x));				\
})

#endif
