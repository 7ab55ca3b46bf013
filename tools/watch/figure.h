/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only list of the figures of topics and groups: JSON, TSV and Prometheus print them all.
 */
#ifndef MQBUS_FIGURE_H
#define MQBUS_FIGURE_H

#include <stdbool.h>

#include "sample.h"

/**
 * struct figure - a number of a topic or a group
 * @name: its name; in JSON and TSV "_ns" is added to a time, for Prometheus
 *	"_seconds" to a time and "_total" to a total
 * @help: what it is, for Prometheus
 * @total: it only grows, until the topic or group is recreated
 * @ns: it is a time
 * @queue: only a queue group has it
 * @offset: where it is in struct mqbus_admin_topic or struct sample_group
 * @size: bytes of it, 4 or 8
 */
struct figure {
	const char *name;
	const char *help;
	bool total;
	bool ns;
	bool queue;
	size_t offset;
	size_t size;
};

/**
 * struct figure_table - the figures of one kind of thing
 * @kind: "topic" or "group"
 * @figures: ends with a NULL name
 */
struct figure_table {
	const char *kind;
	const struct figure *figures;
};

extern const struct figure_table figure_topic;
extern const struct figure_table figure_group;

/* The number, in @of. */
__u64 figure_value(const struct figure *f, const void *of);
/* Whether a group of that type has it. */
bool figure_applies(const struct figure *f, const struct sample_group *g);

#endif /* MQBUS_FIGURE_H */
