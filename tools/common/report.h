/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Topics and groups as text or JSON. The functions return an exit status;
 * the arrays are sorted as by mqbus_admin.h.
 */
#ifndef MQBUS_REPORT_H
#define MQBUS_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "mqbus_admin.h"

int report_topics(const struct mqbus_admin_topic *topics, size_t n, bool json);
/* One topic with its partitions and groups. */
int report_topic(const struct mqbus_admin_topic *topic,
		 const struct mqbus_admin_partition *partitions, size_t nr_partitions,
		 const struct mqbus_admin_group *groups, size_t nr_groups, bool json);
/* A line for each group: sums over its partitions. */
int report_groups(const struct mqbus_admin_group *groups, size_t n, bool json);
/* One group with a line for each partition. */
int report_group(const struct mqbus_admin_group *partitions, size_t n, bool json);

/* The fields of queue groups only. */
void report_queue(const struct mqbus_admin_queue *q);
json_t *report_queue_json(const struct mqbus_admin_queue *q);

#endif /* MQBUS_REPORT_H */
