// SPDX-License-Identifier: GPL-2.0
/*
 * Tickets of a line: their place, begin and end of their turn, and whether it was wasted. All
 * under the lock of the partition's ring.
 */
#include <linux/ktime.h>
#include <linux/rbtree.h>

#include "log/line.h"
#include "log/ticket.h"

/* Wasted turns, less half of the used ones, up to which room is kept */
#define LINE_WASTED	2
/* More wasted turns do not prolong the time without kept room */
#define LINE_WASTED_MOST	(LINE_WASTED + 4)

static struct mqbus_ticket *ticket_of(struct rb_node *node)
{
	return rb_entry(node, struct mqbus_ticket, node);
}

static bool ticket_less(struct rb_node *a, const struct rb_node *b)
{
	const struct mqbus_ticket *x = ticket_of(a);
	const struct mqbus_ticket *y = rb_entry(b, struct mqbus_ticket, node);

	return x->owner != y->owner ? x->owner < y->owner : x->age < y->age;
}

/**
 * mqbus_ticket_next() - the oldest waiting ticket from a place on
 * @line: the line
 * @owner: in the line of this owner or of a higher one
 * @age: in the line of @owner: not older than that
 *
 * Return: the ticket, or NULL.
 */
struct mqbus_ticket *mqbus_ticket_next(const struct mqbus_line *line, u32 owner, u64 age)
{
	struct rb_node *node = line->waiting.rb_root.rb_node;
	struct mqbus_ticket *found = NULL;

	while (node) {
		struct mqbus_ticket *t = ticket_of(node);

		if (t->owner < owner || (t->owner == owner && t->age < age)) {
			node = node->rb_right;
		} else {
			found = t;
			node = node->rb_left;
		}
	}
	return found;
}

/* The oldest ticket that waits for the share of @owner, 0: for room; NULL if there is none. */
struct mqbus_ticket *mqbus_ticket_first(const struct mqbus_line *line, u32 owner)
{
	struct mqbus_ticket *t = mqbus_ticket_next(line, owner, 0);

	return t && t->owner == owner ? t : NULL;
}

static void ticket_unkeep(struct mqbus_line *line, struct mqbus_ticket *t)
{
	line->promised -= t->kept;
	t->kept = 0;
}

/* Make a ticket wait that is in no list. */
void mqbus_ticket_in(struct mqbus_line *line, struct mqbus_ticket *t)
{
	rb_add_cached(&t->node, &line->waiting, ticket_less);
	if (!t->owner)
		line->wanted += t->bytes;
	WRITE_ONCE(t->state, MQBUS_TICKET_WAITS);
}

/* Remove a ticket from the line, if it is in it. */
void mqbus_ticket_out(struct mqbus_line *line, struct mqbus_ticket *t)
{
	if (t->state == MQBUS_TICKET_WAITS) {
		rb_erase_cached(&t->node, &line->waiting);
		if (!t->owner)
			line->wanted -= t->bytes;
	} else if (t->state != MQBUS_TICKET_NONE) {
		ticket_unkeep(line, t);
		list_del(&t->called);
		mqbus_line_calls(line, t)->nr--;
		line->nr_called--;
	}
	WRITE_ONCE(t->state, MQBUS_TICKET_NONE);
}

/* Add a ticket to those that are called, which are in the order in which their turns end. */
static void ticket_called(struct mqbus_line *line, struct mqbus_ticket *t)
{
	struct mqbus_ticket *before;

	list_for_each_entry_reverse(before, &line->called, called)
		if (before->until <= t->until)
			break;
	list_add(&t->called, &before->called);
}

/* Begin the turn of a ticket that is in no list. */
void mqbus_ticket_turn(struct mqbus_line *line, struct mqbus_ticket *t, u64 now)
{
	struct mqbus_calls *calls = mqbus_line_calls(line, t);

	if (!t->owner && now >= calls->free_until) {
		t->kept = t->bytes;
		line->promised += t->kept;
	}
	t->called_at = now;
	t->until = now + (now < calls->free_until ? LINE_SHORT :
			  READ_ONCE(t->awaited) ? LINE_KEEP : LINE_CLAIM);
	ticket_called(line, t);
	calls->nr++;
	line->nr_called++;
	WRITE_ONCE(t->state, MQBUS_TICKET_CALLED);
}

/* Count a turn as wasted or used. */
static void calls_count(struct mqbus_calls *calls, bool wasted, u64 now)
{
	if (!wasted) {
		calls->wasted -= !!calls->wasted;
		return;
	}
	calls->wasted = min(calls->wasted + 2, LINE_WASTED_MOST);
	if (calls->wasted > LINE_WASTED)
		calls->free_until = now + (LINE_KEEP << (calls->wasted - LINE_WASTED));
}

/* Whether others may have to wait for the end of its turn: for room, or for a call. */
static bool ticket_holds(const struct mqbus_ticket *t)
{
	return t->state == MQBUS_TICKET_CALLED && t->until > t->called_at + LINE_SHORT;
}

/*
 * At least @bytes were stored in a ticket's turn. Whoever comes late and uses only a small part of
 * the kept room has wasted it: a polled endpoint, or a call, as another task may change the
 * descriptions that it reads again.
 */
void mqbus_ticket_use(struct mqbus_line *line, struct mqbus_ticket *t, u64 bytes)
{
	bool little = bytes < t->kept / 2;
	u64 now = little ? ktime_get_ns() : 0;

	if (ticket_holds(t))
		calls_count(mqbus_line_calls(line, t), now > t->called_at + LINE_SHORT, now);
	ticket_unkeep(line, t);
	WRITE_ONCE(t->state, MQBUS_TICKET_USED);
}

/* Its task waits for another ticket now, and keeps the room meanwhile. */
void mqbus_ticket_claim(struct mqbus_line *line, struct mqbus_ticket *t)
{
	WRITE_ONCE(t->awaited, false);
	if (!ticket_holds(t))
		return;
	list_del(&t->called);
	t->until = t->called_at + LINE_CLAIM;
	ticket_called(line, t);
}

/*
 * End a ticket's turn, if it is called. It was wasted, however short it was: with many tickets,
 * short turns of one user follow each other. Return: whether it was.
 */
bool mqbus_ticket_give_up(struct mqbus_line *line, struct mqbus_ticket *t)
{
	if (!ticket_holds(t))
		return false;
	calls_count(mqbus_line_calls(line, t), true, ktime_get_ns());
	return true;
}

/* End unused turns whose time is over. */
void mqbus_line_expire(struct mqbus_line *line, u64 now)
{
	struct mqbus_ticket *t;

	while (line->nr_called) {
		t = list_first_entry(&line->called, struct mqbus_ticket, called);
		if (t->until > now)
			break;
		if (ticket_holds(t))
			calls_count(mqbus_line_calls(line, t), true, now);
		WRITE_ONCE(t->late, t->state == MQBUS_TICKET_CALLED && READ_ONCE(t->awaited));
		mqbus_ticket_out(line, t);
	}
}
