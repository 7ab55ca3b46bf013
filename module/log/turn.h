/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TURN_H
#define _MQBUS_TURN_H

#include <linux/ktime.h>

#include "log/line.h"
#include "log/refusal.h"

/**
 * struct mqbus_turn - a publishing call that may have to wait for its turn
 * @age: place of its wait among all waiters; 0: it does not wait
 * @nr: number of its tickets
 * @max: size of @tickets
 * @look: the call must try again, whatever it waits for; also stored by others
 * @tickets: the tickets; each is initialized at its first use
 */
struct mqbus_turn {
	u64 age;
	u32 nr;
	u32 max;
	bool look;
	struct mqbus_ticket *tickets;
};

void mqbus_turn_leave(struct mqbus_turn *turn);
int mqbus_producer_wait(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			ktime_t deadline, struct mqbus_turn *turn);
u32 mqbus_turn_blocked(struct mqbus_topic *topic, u64 *time);
enum mqbus_why mqbus_producer_why(const struct mqbus_producer *producer);

/* End the turn of a call that is over or has stored records; @turn is as new afterwards */
static inline void mqbus_turn_end(struct mqbus_turn *turn)
{
	if (unlikely(turn->age))
		mqbus_turn_leave(turn);
}

#endif /* _MQBUS_TURN_H */
