/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TICKET_H
#define _MQBUS_TICKET_H

#include <linux/ktime.h>

#include "log/line.h"

/* ns for which room is kept for a called ticket: more than a task needs to wake up */
#define LINE_KEEP	(50 * NSEC_PER_MSEC)
/* The same while the transaction waits for another partition */
#define LINE_CLAIM	(200 * NSEC_PER_MSEC)
/* The same while no room is kept: the turn only occupies one of the calls */
#define LINE_SHORT	(LINE_KEEP / 16)

struct mqbus_ticket *mqbus_ticket_next(const struct mqbus_line *line, u32 owner, u64 age);
struct mqbus_ticket *mqbus_ticket_first(const struct mqbus_line *line, u32 owner);
void mqbus_ticket_in(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_ticket_out(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_ticket_turn(struct mqbus_line *line, struct mqbus_ticket *t, u64 now);
void mqbus_ticket_use(struct mqbus_line *line, struct mqbus_ticket *t, u64 bytes);
void mqbus_ticket_claim(struct mqbus_line *line, struct mqbus_ticket *t);
bool mqbus_ticket_give_up(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_line_expire(struct mqbus_line *line, u64 now);

/* line.c */
void mqbus_line_claim(struct mqbus_ticket *ticket);

/* Calls of a ticket's kind: for room or for shares */
static inline struct mqbus_calls *mqbus_line_calls(struct mqbus_line *line,
						   const struct mqbus_ticket *t)
{
	return t->owner ? &line->shares : &line->room;
}

#endif /* _MQBUS_TICKET_H */
