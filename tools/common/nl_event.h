/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events over generic netlink.
 */
#ifndef MQBUS_NL_EVENT_H
#define MQBUS_NL_EVENT_H

#include <linux/types.h>

#include "mqbus.h"

/**
 * struct nl_event - something that happened, as in mqbus.yaml
 * @kind: an enum mqbus_event_kind
 * @has: bits 1 << MQBUS_A_EVENT_* of the attributes that there are
 */
struct nl_event {
	__u32 kind;
	__u32 has;
	__u64 time;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	char member[MQBUS_NAME_SIZE];
	__u32 pid;
	char comm[32];
	__u32 uid;
	__u32 partition;
	__u64 offset;
	__u64 count;
	char reason[32];
	__u32 generation;
	__u64 lag;
	__u64 limit;
	__u64 blocked_time;
};

struct nl_listener;

/* Begin to get events, with @buffer bytes of room for them; 0 or a negative errno. */
int nl_listener_open(struct nl_listener **out, int buffer);
void nl_listener_close(struct nl_listener *l);
/* Can be read when something came. */
int nl_listener_fd(const struct nl_listener *l);
/*
 * Take the next event that has come: 1, or 0 if there is none now. -ENOBUFS: events
 * were lost, and it goes on with the next; *@lost is how many, or 0: unknown.
 * -ENODEV: the module went away.
 */
int nl_listener_next(struct nl_listener *l, struct nl_event *event, __u64 *lost);

#endif /* MQBUS_NL_EVENT_H */
