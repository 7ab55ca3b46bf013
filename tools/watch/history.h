/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of topics and groups in the last few samples.
 */
#ifndef MQBUS_HISTORY_H
#define MQBUS_HISTORY_H

#include "window.h"

#define HISTORY_POINTS 32
#define HISTORY_SAMPLES 10

/**
 * struct history - the last values of a topic or a group
 * @topic: name of the topic
 * @group: name of the group, or ""
 * @value: records a second that came, or the lag; the oldest first
 * @n: their number
 * @seen: number of the last sample that it was in
 * @window: of a group
 */
struct history {
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	double value[HISTORY_POINTS];
	size_t n;
	__u64 seen;
	struct window window;
};

/**
 * struct histories - of all topics and groups
 * @list: by topic and group
 * @n: their number
 * @samples: samples so far
 */
struct histories {
	struct history **list;
	size_t n;
	__u64 samples;
};

/* Add a sample; @old is the one before, or NULL. */
void history_add(struct histories *all, const struct sample *old, const struct sample *new);
/* One of them, or NULL; @group is "" for a topic. */
const struct history *history_find(const struct histories *all, const char *topic,
				   const char *group);
void history_free(struct histories *all);

#endif /* MQBUS_HISTORY_H */
