/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a group keeps up, from the last few samples.
 */
#ifndef MQBUS_WINDOW_H
#define MQBUS_WINDOW_H

#include "sample.h"

#define WINDOW_MAX 64

/* The rules, for --help */
#define WINDOW_HELP								\
	"  OK       it has no lag, or it settles and the lag does not grow\n" \
	"  WARN     it settles, but the lag grew over the window and never shrank in it\n" \
	"  STALLED  its members hold or fetch records, but settled none over the window\n" \
	"  STOPPED  it has a lag, and is paused, has no members, or over the window they\n" \
	"           neither settled nor fetched records, and hold none\n"

enum window_state { WINDOW_OK, WINDOW_WARN, WINDOW_STALLED, WINDOW_STOPPED };

/**
 * struct window_point - a sample of a group
 * @lag: records published and not settled
 * @settled: records settled
 * @delivered: records handed out
 */
struct window_point {
	__u64 lag;
	__u64 settled;
	__u64 delivered;
};

/**
 * struct window - the last looks at a group
 * @point: the oldest first
 * @n: their number
 * @size: number of samples kept, from 2 to WINDOW_MAX
 */
struct window {
	struct window_point point[WINDOW_MAX];
	size_t n;
	size_t size;
};

/* Add a sample; drop the oldest if there are enough. */
void window_add(struct window *w, const struct sample_group *g);
/* Judge by all of them; @g is the last one. */
enum window_state window_judge(const struct window *w, const struct sample_group *g);
const char *window_state_name(enum window_state state);

#endif /* MQBUS_WINDOW_H */
