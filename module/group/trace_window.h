/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the window tells of itself; the same header is empty in userspace. Off, each is
 * a jump that is not taken.
 */
#ifndef _MQBUS_TRACE_WINDOW_H
#define _MQBUS_TRACE_WINDOW_H

#include <linux/tracepoint-defs.h>
#include <linux/mqbus.h>

struct mqbus_window;

DECLARE_TRACEPOINT(settle);
DECLARE_TRACEPOINT(retry);

void mqbus_window_tell_settle(const struct mqbus_window *w, u32 i, enum mqbus_settlement what);
void mqbus_window_tell_retry(const struct mqbus_window *w, u32 i, u64 wait);

/**
 * mqbus_window_trace_settle() - a member settles a record
 * @w: the window
 * @i: its entry, still in use
 * @what: what becomes of it
 */
static inline void mqbus_window_trace_settle(const struct mqbus_window *w, u32 i,
					     enum mqbus_settlement what)
{
	if (tracepoint_enabled(settle))
		mqbus_window_tell_settle(w, i, what);
}

/**
 * mqbus_window_trace_retry() - a record that failed is to be handed out again
 * @w: the window
 * @i: its entry
 * @wait: ns until then
 */
static inline void mqbus_window_trace_retry(const struct mqbus_window *w, u32 i, u64 wait)
{
	if (tracepoint_enabled(retry))
		mqbus_window_tell_retry(w, i, wait);
}

#endif /* _MQBUS_TRACE_WINDOW_H */
