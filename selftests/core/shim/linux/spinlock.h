/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <pthread.h>
#include <sched.h>

#include <linux/compiler.h>
#include <linux/types.h>

/* A mutex: threads are more than CPUs here, and spinning for a sleeper is slow */
typedef struct {
	pthread_mutex_t mutex;
	unsigned long owner;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->owner = 0;
}

static inline bool spin_is_mine(const spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == pthread_self();
}

static inline void spin_lock(spinlock_t *lock)
{
	shim_call(SHIM_LOCK, lock);
	pthread_mutex_lock(&lock->mutex);
	__atomic_store_n(&lock->owner, pthread_self(), __ATOMIC_RELAXED);
}

static inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock->mutex);
}

#define cpu_relax()	sched_yield()

#endif
