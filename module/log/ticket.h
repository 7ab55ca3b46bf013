/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TICKET_H
#define _MQBUS_TICKET_H

#include <linux/ktime.h>

#include "log/line.h"

/* ns for which room is kept for a ticket that was called: more than a task sleeps on */
#define LINE_KEEP	(50 * NSEC_PER_MSEC)
/* The same while it is another partition that a transaction waits for */
#define LINE_CLAIM	(200 * NSEC_PER_MSEC)
/* The same while nothing is kept: it is for one of the calls that nobody else has */
#define LINE_SHORT	(LINE_KEEP / 16)

struct mqbus_ticket *mqbus_ticket_next(const struct mqbus_line *line, u32 owner, u64 age);
struct mqbus_ticket *mqbus_ticket_first(const struct mqbus_line *line, u32 owner);
void mqbus_ticket_in(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_ticket_out(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_ticket_turn(struct mqbus_line *line, struct mqbus_ticket *t, u64 now);
void mqbus_ticket_use(struct mqbus_line *line, struct mqbus_ticket *t, u64 bytes);
void mqbus_ticket_give_up(struct mqbus_line *line, struct mqbus_ticket *t);
void mqbus_line_expire(struct mqbus_line *line, u64 now);

/**
 * mqbus_line_calls() - the calls of its kind
 * @line: the line
 * @t: a ticket
 *
 * Return: of those that wait for room, or of those that wait for shares.
 */
static inline struct mqbus_calls *mqbus_line_calls(struct mqbus_line *line,
						   const struct mqbus_ticket *t)
{
	return t->owner ? &line->shares : &line->room;
}

#endif /* _MQBUS_TICKET_H */
