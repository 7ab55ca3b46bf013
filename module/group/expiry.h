/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_EXPIRY_H
#define _MQBUS_EXPIRY_H

#include <linux/types.h>

#include "base/timer.h"

struct mqbus_group;
struct mqbus_group_create;

/**
 * struct mqbus_expiry - deletes a group that nobody uses
 * @timer: looks; armed while there are no members
 * @after: ns without members after which the group goes; 0: never
 * @since: ns of CLOCK_MONOTONIC since when it has had no members; 0: it has some
 * @ephemeral: it goes with its last member
 * @used: it has had one
 */
struct mqbus_expiry {
	struct mqbus_timer timer;
	/* guarded by the group's lock */
	u64 after;
	u64 since;
	bool ephemeral;
	bool used;
};

void mqbus_expiry_init(struct mqbus_group *group, const struct mqbus_group_create *args);
void mqbus_expiry_set(struct mqbus_group *group, u64 after);
void mqbus_expiry_look(struct mqbus_group *group);

#endif /* _MQBUS_EXPIRY_H */
