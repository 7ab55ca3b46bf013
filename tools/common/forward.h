/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records that come of another: published and that one acked in one step, so that whatever
 * is killed leaves both or neither.
 */
#ifndef MQBUS_FORWARD_H
#define MQBUS_FORWARD_H

#include <stdbool.h>

#include "mqbus.h"

/**
 * struct forward - what is published, and what for
 * @producer: where to
 * @msgs: the records
 * @n: their number
 * @worker: holds the record that they come of
 * @lease: of that record
 * @slice: ns to wait for room at a time; negative: no limit
 * @wait: when a slice is over or a signal came: whether to go on waiting
 * @of: for @wait
 */
struct forward {
	struct mqbus_producer *producer;
	const struct mqbus_msg *msgs;
	__u32 n;
	struct mqbus_worker *worker;
	const struct mqbus_leased *lease;
	__s64 slice;
	bool (*wait)(void *of);
	void *of;
};

/* 0 or a negative errno; *@settling: it is about the lease, which is not ours any more. */
int forward(const struct forward *f, bool *settling);

#endif /* MQBUS_FORWARD_H */
