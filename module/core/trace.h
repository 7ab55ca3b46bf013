/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_TRACE_H
#define _MQBUS_CORE_TRACE_H

#include "sys.h"

struct mqbus_inflight;

/**
 * struct mqbus_trace - tracepoints of the in-flight table
 * @settle: a member settles the record of an entry, which is still in use
 * @retry: a record that failed for @reason is handed out again after @wait ns
 */
struct mqbus_trace {
	void (*settle)(const struct mqbus_inflight *f, u32 i, const char *what);
	void (*retry)(const struct mqbus_inflight *f, u32 i, const char *reason, u64 wait);
};

/* NULL: tracing is off; stored at any time, and the structure it points to stays */
extern const struct mqbus_trace *mqbus_trace;

#endif /* _MQBUS_CORE_TRACE_H */
