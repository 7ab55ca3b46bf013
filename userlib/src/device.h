/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening /dev/mqbus and calling it; no other file does.
 */
#ifndef MQBUS_DEVICE_H
#define MQBUS_DEVICE_H

#include <errno.h>
#include <stdint.h>

#include "mqbus.h"

/* A new, unbound endpoint of the bus that MQBUS_BUS names; or a negative errno. */
int mqbus_device_open(void);
/* ioctl() that returns a negative errno. */
int mqbus_device_call(int fd, unsigned long request, void *arg);
/* One call by name, on a temporary endpoint. */
int mqbus_device_once(unsigned long request, void *arg);
/* Copy @name into a field of the uapi; -ENAMETOOLONG if it does not fit. */
int mqbus_device_name(char field[MQBUS_NAME_SIZE], const char *name);
/* The same for both names of a group. */
int mqbus_device_names(char topic_field[MQBUS_NAME_SIZE], const char *topic,
		       char group_field[MQBUS_NAME_SIZE], const char *group);
/* Make endpoint @fd a member of a group, with an id or "", and get the topic's geometry. */
int mqbus_device_join(int fd, const char *topic, const char *group, const char *member,
		      struct mqbus_geometry *geometry);

/* How many forks lead from the program's first process to this one */
extern unsigned int mqbus_forks;

/* Whether a handle was opened by this process, @forks being their number then; -ECHILD if not */
static inline int mqbus_device_ours(unsigned int forks)
{
	return __builtin_expect(forks == mqbus_forks, 1) ? 0 : -ECHILD;
}

/* The library's timeouts are signed, the kernel's are not */
static inline uint64_t mqbus_device_timeout(int64_t timeout_ns)
{
	return timeout_ns < 0 ? MQBUS_WAIT_FOREVER : (uint64_t)timeout_ns;
}

static inline uint64_t mqbus_device_address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif /* MQBUS_DEVICE_H */
