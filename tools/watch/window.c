// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <string.h>

#include "window.h"

void window_add(struct window *w, const struct sample_group *g)
{
	if (w->n == w->size)
		memmove(w->point, w->point + 1, --w->n * sizeof(*w->point));
	w->point[w->n++] = (struct window_point){
		.lag = g->lag,
		.settled = g->settled,
		.delivered = g->delivered,
	};
}

/* Never less than in the sample before, and more at the end. */
static bool lag_grew(const struct window *w)
{
	size_t i;

	for (i = 1; i < w->n; i++) {
		if (w->point[i].lag < w->point[i - 1].lag)
			return false;
	}
	return w->point[w->n - 1].lag > w->point[0].lag;
}

/* Whether a sample differs from the one before; a seek back counts as well. */
static void window_changes(const struct window *w, bool *settled, bool *delivered)
{
	size_t i;

	*settled = false;
	*delivered = false;
	for (i = 1; i < w->n; i++) {
		*settled |= w->point[i].settled != w->point[i - 1].settled;
		*delivered |= w->point[i].delivered != w->point[i - 1].delivered;
	}
}

enum window_state window_judge(const struct window *w, const struct sample_group *g)
{
	bool settled, delivered;

	if (!g->lag)
		return WINDOW_OK;
	if (g->paused || !g->members)
		return WINDOW_STOPPED;
	/* One sample shows no progress */
	if (w->n < 2)
		return WINDOW_OK;
	window_changes(w, &settled, &delivered);
	if (!settled)
		return delivered || g->held ? WINDOW_STALLED : WINDOW_STOPPED;
	return lag_grew(w) ? WINDOW_WARN : WINDOW_OK;
}

const char *window_state_name(enum window_state state)
{
	static const char * const names[] = {
		[WINDOW_OK] = "OK",
		[WINDOW_WARN] = "WARN",
		[WINDOW_STALLED] = "STALLED",
		[WINDOW_STOPPED] = "STOPPED",
	};

	return names[state];
}
