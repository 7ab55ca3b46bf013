/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TURN_H
#define _MQBUS_TURN_H

#include <linux/ktime.h>

#include "log/line.h"
#include "log/refusal.h"

/**
 * struct mqbus_turn - a call that publishes, and may have to wait for its turn
 * @age: since when, of all who wait; 0: it does not
 * @nr: how many tickets it has
 * @max: how many it may have
 * @tickets: these; they are good when they are used, so nobody has to set them
 */
struct mqbus_turn {
	u64 age;
	u32 nr;
	u32 max;
	struct mqbus_ticket *tickets;
};

void mqbus_turn_leave(struct mqbus_turn *turn);
int mqbus_producer_wait(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			ktime_t deadline, struct mqbus_turn *turn);

/**
 * mqbus_turn_end() - the call is over, or has stored something: it has no turn any more
 * @turn: the turn
 *
 * It is as new then.
 */
static inline void mqbus_turn_end(struct mqbus_turn *turn)
{
	if (unlikely(turn->age))
		mqbus_turn_leave(turn);
}

#endif /* _MQBUS_TURN_H */
