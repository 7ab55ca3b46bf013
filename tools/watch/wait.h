/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waiting for a time, for a descriptor or for a signal, whichever comes first: a signal
 * that arrives just before is not missed.
 */
#ifndef MQBUS_WAIT_H
#define MQBUS_WAIT_H

#include <linux/types.h>
#include <stdbool.h>

#define WAIT_FOREVER (~0ULL)

/* As cmd_catch_signals(), but signals are delivered only in wait_until(). */
void wait_catch_signals(void);
/* Whether @fd, if not -1, can be read before @until of cmd_now(), or a signal. */
bool wait_until(int fd, __u64 until);

#endif /* MQBUS_WAIT_H */
