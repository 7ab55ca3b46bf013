/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_LINUX_LOCKDEP_H
#define SHIM_LINUX_LOCKDEP_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/spinlock.h>

#define lockdep_assert_held(lock) do {					\
	if (!spin_is_mine(lock)) {					\
		fprintf(stderr, "# %s: lock not held\n", __func__);	\
		abort();						\
	}								\
} while (0)

#endif
