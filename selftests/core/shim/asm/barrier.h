/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_ASM_BARRIER_H
#define SHIM_ASM_BARRIER_H

#include <linux/compiler.h>

#define smp_load_acquire(p) ({					\
	shim_call(SHIM_ACQUIRE, (p));				\
	__atomic_load_n((p), __ATOMIC_ACQUIRE);			\
})

#define smp_store_release(p, value) ({				\
	__atomic_store_n((p), (value), __ATOMIC_RELEASE);	\
	shim_call(SHIM_RELEASE, (p));				\
})

/*
 * The thread sanitizer does not know fences: it takes these for nothing. Core
 * has a single pair, ORD_HEAD, and what that orders is read in one function of
 * threads.c that is not sanitized; everything else has to be in order without.
 */
#define smp_rmb() ({						\
	__atomic_thread_fence(__ATOMIC_ACQUIRE);		\
	shim_call(SHIM_RMB, NULL);				\
})

#define smp_wmb() ({						\
	__atomic_thread_fence(__ATOMIC_RELEASE);		\
	shim_call(SHIM_WMB, NULL);				\
})

#endif
