// SPDX-License-Identifier: GPL-2.0
/*
 * The assignment of a stream group: cases that random members rarely meet.
 */
#include <errno.h>

#include "assign.h"
#include "test.h"

#define SLOTS		8
#define SEATS		8

struct mqbus_member {
	int unused;
};

static struct mqbus_member somebody;

struct fix {
	struct mqbus_assign a;
	struct mqbus_slot slots[SLOTS];
	struct mqbus_member *readers[SLOTS];
	struct mqbus_seat *table[SEATS];
	struct mqbus_seat seats[SEATS];
};

static void fix_make(struct fix *f, u32 nr)
{
	memset(f, 0, sizeof(*f));
	mqbus_assign_init(&f->a, f->slots, f->readers, nr);
	f->a.timeout = 10;
	f->a.seats = f->table;
	f->a.room = SEATS;
}

static void sit(struct fix *f, u32 i)
{
	f->seats[i].member = &somebody;
	CHECK(!mqbus_assign_sit(&f->a, &f->seats[i], 0));
}

/* As if records had been fetched */
static void give(struct fix *f, u32 slot, u64 n)
{
	f->slots[slot].cursor.given.offset += n;
	f->slots[slot].cursor.given.pos += 64 * n;
}

static u32 owned(const struct fix *f, u32 seat)
{
	u32 i, n = 0;

	for (i = 0; i < f->a.nr_slots; i++)
		n += f->slots[i].owner == &f->seats[seat];
	return n;
}

static void test_share(void)
{
	struct mqbus_seat *owner[SLOTS];
	struct fix f;
	u32 i, moved = 0;

	test_begin("each has as many as the others, or one more, and keeps what it has");
	fix_make(&f, 8);
	sit(&f, 0);
	CHECK(owned(&f, 0) == 8 && f.a.generation == 8);
	sit(&f, 1);
	CHECK(owned(&f, 0) == 4 && owned(&f, 1) == 4 && f.a.generation == 12);
	for (i = 0; i < 8; i++)
		owner[i] = f.slots[i].owner;
	sit(&f, 2);
	CHECK(owned(&f, 0) == 3 && owned(&f, 1) == 3 && owned(&f, 2) == 2);
	for (i = 0; i < 8; i++)
		moved += f.slots[i].owner != owner[i];
	CHECK(moved == 2);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[0], 0, 0));
	CHECK(owned(&f, 1) == 4 && owned(&f, 2) == 4);
	test_end();
}

static void test_standby(void)
{
	struct fix f;
	u32 i;

	test_begin("who waits longest takes over, who was fenced waits shortest");
	fix_make(&f, 1);
	for (i = 0; i < 4; i++)
		sit(&f, i);
	CHECK(owned(&f, 0) == 1);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[0], 0, 0));
	CHECK(owned(&f, 1) == 1);
	mqbus_assign_fence_all(&f.a, 0);
	CHECK(!f.slots[0].owner && !f.slots[0].target);
	mqbus_assign_admit(&f.a, &f.seats[3], 0);
	mqbus_assign_admit(&f.a, &f.seats[1], 0);
	mqbus_assign_admit(&f.a, &f.seats[2], 0);
	CHECK(owned(&f, 3) == 1);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[3], 0, 0));
	CHECK(owned(&f, 1) == 1);
	test_end();
}

static void test_cheap_first(void)
{
	struct fix f;

	test_begin("what nobody works on moves first, and what does not move stays");
	fix_make(&f, 4);
	sit(&f, 0);
	give(&f, 2, 3);
	give(&f, 3, 3);
	sit(&f, 1);
	CHECK(f.slots[0].owner == &f.seats[1] && f.slots[1].owner == &f.seats[1]);
	CHECK(!mqbus_slot_revoked(&f.slots[2]) && !mqbus_slot_revoked(&f.slots[3]));
	give(&f, 0, 1);
	give(&f, 1, 1);
	/* Members work on all of them, so one has to be released */
	sit(&f, 2);
	CHECK(mqbus_slot_revoked(&f.slots[0]) + mqbus_slot_revoked(&f.slots[1]) +
	      mqbus_slot_revoked(&f.slots[2]) + mqbus_slot_revoked(&f.slots[3]) == 1);
	CHECK(f.slots[1].target == &f.seats[2] && f.slots[1].deadline == 10 && f.a.due == 10);
	f.slots[1].told = true;
	/* The newcomer leaves before it had the partition, which never moved */
	CHECK(mqbus_assign_stand(&f.a, &f.seats[2], 0, 5));
	CHECK(f.slots[1].target == &f.seats[1] && !f.slots[1].deadline && !f.slots[1].told);
	CHECK(owned(&f, 0) == 2 && owned(&f, 1) == 2 && f.a.due == U64_MAX);
	CHECK(f.slots[1].generation == 6 && f.slots[1].cursor.given.offset == 1);

	fix_make(&f, 4);
	sit(&f, 0);
	give(&f, 0, 1);
	give(&f, 1, 1);
	give(&f, 2, 1);
	give(&f, 3, 1);
	sit(&f, 1);
	CHECK(f.slots[2].target == &f.seats[1] && f.slots[3].target == &f.seats[1]);
	mqbus_slot_commit(&f.a, &f.slots[3], &f.slots[3].cursor.given);
	CHECK(f.slots[3].owner == &f.seats[1]);
	/*
	 * A partition that a member does not have yet costs less than one that it has and is
	 * idle
	 */
	sit(&f, 2);
	CHECK(f.slots[2].target == &f.seats[2] && f.slots[3].target == &f.seats[1]);
	test_end();
}

static void test_keep(void)
{
	struct fix f;
	u32 i;

	test_begin("who has one more keeps it, who still owns one gets it back");
	fix_make(&f, 7);
	sit(&f, 0);
	sit(&f, 1);
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[1], 0);
	CHECK(owned(&f, 1) == 7);
	/* The first in order is the last to get one */
	list_move_tail(&f.seats[1].node, &f.a.order);
	mqbus_assign_take_over(&f.a, &f.seats[0], 0);
	CHECK(owned(&f, 0) == 3 && owned(&f, 1) == 4);
	CHECK(f.slots[6].owner == &f.seats[0] && f.slots[0].owner == &f.seats[1]);
	for (i = 0; i < 7; i++)
		give(&f, i, 1);
	sit(&f, 2);
	CHECK(mqbus_slot_revoked(&f.slots[6]) + mqbus_slot_revoked(&f.slots[5]) +
	      mqbus_slot_revoked(&f.slots[3]) + mqbus_slot_revoked(&f.slots[2]) == 2);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[2], 0, 0));
	CHECK(owned(&f, 0) == 3 && owned(&f, 1) == 4);
	for (i = 0; i < 7; i++)
		CHECK(!mqbus_slot_revoked(&f.slots[i]));
	test_end();
}

static void test_deadlines(void)
{
	struct list_head gone;
	struct fix f;

	test_begin("deadlines: none, once, and of what was late");
	INIT_LIST_HEAD(&gone);
	fix_make(&f, 2);
	f.a.timeout = U64_MAX;
	sit(&f, 0);
	give(&f, 0, 1);
	give(&f, 1, 1);
	f.seats[1].member = &somebody;
	CHECK(!mqbus_assign_sit(&f.a, &f.seats[1], 5));
	CHECK(f.slots[1].deadline == U64_MAX && f.a.due == U64_MAX);
	mqbus_assign_tick(&f.a, U64_MAX - 1, &gone);
	CHECK(f.slots[1].owner == &f.seats[0] && f.seats[0].state == MQBUS_SEAT_ACTIVE);
	/* Later options are for later revocations */
	f.a.timeout = 7;
	sit(&f, 2);
	CHECK(f.slots[1].deadline == U64_MAX);
	mqbus_assign_fence_all(&f.a, 0);
	CHECK(f.seats[0].fenced == f.a.generation && f.a.generation == 2);
	mqbus_assign_admit(&f.a, &f.seats[0], 0);
	give(&f, 0, 1);
	give(&f, 1, 1);
	mqbus_assign_admit(&f.a, &f.seats[1], 100);
	CHECK(f.a.due == 107);
	mqbus_assign_tick(&f.a, 106, &gone);
	CHECK(f.seats[0].state == MQBUS_SEAT_ACTIVE);
	mqbus_assign_tick(&f.a, 107, &gone);
	CHECK(f.seats[0].state == MQBUS_SEAT_FENCED && owned(&f, 1) == 2 && list_empty(&gone));
	CHECK(!f.slots[0].cursor.given.offset && !f.slots[1].cursor.given.offset);
	CHECK(mqbus_slot_check(&f.slots[0], &f.seats[0], 0, 0) == -ENOLINK);
	CHECK(mqbus_slot_check(&f.slots[0], &f.seats[2], 0, 0) == -ENOLINK);
	test_end();
}

/* A member that lost a partition by force is told even without a generation, and later */
static void test_robbed(void)
{
	struct list_head gone;
	struct mqbus_slot *slot;
	struct fix f;

	test_begin("taken away by force: known when it was let in again");
	fix_make(&f, 1);
	slot = &f.slots[0];
	sit(&f, 0);
	sit(&f, 1);
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[1], 0);
	mqbus_assign_admit(&f.a, &f.seats[0], 0);
	CHECK(slot->owner == &f.seats[1]);
	CHECK(mqbus_slot_check(slot, &f.seats[0], 0, 0) == -ENOLINK);
	/* It gets the partition back, and lets go of it by itself then */
	CHECK(mqbus_assign_stand(&f.a, &f.seats[1], 0, 0));
	CHECK(slot->owner == &f.seats[0] && !mqbus_slot_check(slot, &f.seats[0], 0, 0));
	sit(&f, 2);
	slot->target = &f.seats[2];
	mqbus_slot_release(&f.a, slot);
	CHECK(slot->owner == &f.seats[2]);
	CHECK(mqbus_slot_check(slot, &f.seats[0], 0, 0) == -ESTALE);
	/* A later member in the same seat has lost nothing */
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[0], 0);
	CHECK(slot->robbed == &f.seats[2]);
	mqbus_assign_take_over(&f.a, &f.seats[2], 0);
	CHECK(mqbus_slot_check(slot, &f.seats[2], 0, 0) == -ESTALE);
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[2], 0);
	CHECK(slot->robbed == &f.seats[0]);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[0], 0, 0) && !slot->robbed);
	/* Nor has the next one after a member that was away and is gone */
	fix_make(&f, 2);
	sit(&f, 0);
	sit(&f, 1);
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[1], 0);
	mqbus_assign_admit(&f.a, &f.seats[0], 0);
	CHECK(f.slots[0].robbed == &f.seats[0] && owned(&f, 0) == 1);
	CHECK(!mqbus_assign_stand(&f.a, &f.seats[0], 50, 0));
	INIT_LIST_HEAD(&gone);
	mqbus_assign_tick(&f.a, 50, &gone);
	CHECK(!list_empty(&gone) && !f.slots[0].robbed);
	test_end();
}

static void test_generation(void)
{
	struct mqbus_slot *slot;
	struct fix f;

	test_begin("generations are never 0, and old ones are known when they come round");
	fix_make(&f, 1);
	slot = &f.slots[0];
	f.a.generation = U32_MAX - 1;
	sit(&f, 0);
	CHECK(slot->generation == U32_MAX);
	mqbus_assign_fence_all(&f.a, 0);
	mqbus_assign_admit(&f.a, &f.seats[0], 0);
	CHECK(slot->generation == 1);
	CHECK(mqbus_slot_check(slot, &f.seats[0], U32_MAX, 0) == -ENOLINK);
	CHECK(mqbus_slot_check(slot, &f.seats[0], 2, 0) == -ESTALE);
	CHECK(!mqbus_slot_check(slot, &f.seats[0], 1, 0));
	CHECK(!mqbus_slot_check(slot, &f.seats[0], 0, 0));
	CHECK(mqbus_slot_check(slot, &f.seats[0], 0, 1) == -ERANGE);
	test_end();
}

static void test_away(void)
{
	struct list_head gone;
	struct fix f;

	test_begin("an id comes back to what it had, or too late");
	INIT_LIST_HEAD(&gone);
	fix_make(&f, 4);
	strcpy(f.seats[0].id, "one");
	strcpy(f.seats[1].id, "two");
	sit(&f, 0);
	sit(&f, 1);
	CHECK(mqbus_assign_find(&f.a, "two", 0) == &f.seats[1]);
	CHECK(!mqbus_assign_find(&f.a, "tw", 0) && !mqbus_assign_find(&f.a, "two", 1));
	give(&f, 2, 1);
	CHECK(!mqbus_assign_stand(&f.a, &f.seats[0], 50, 0));
	CHECK(owned(&f, 0) == 0 && owned(&f, 1) == 2 && f.a.due == 50 && f.a.nr_seats == 2);
	/* Its future partition is kept from all others; a newcomer does not get it alone */
	f.seats[0].member = &somebody;
	mqbus_assign_take_over(&f.a, &f.seats[0], 49);
	CHECK(owned(&f, 0) == 2 && owned(&f, 1) == 2 && f.a.due == U64_MAX);
	CHECK(!mqbus_assign_stand(&f.a, &f.seats[0], 60, 50));
	mqbus_assign_tick(&f.a, 60, &gone);
	CHECK(list_first_entry(&gone, struct mqbus_seat, node) == &f.seats[0]);
	CHECK(owned(&f, 1) == 4 && f.a.nr_seats == 1 && !mqbus_assign_find(&f.a, "one", 0));
	/* A member that stands by has nothing to keep */
	fix_make(&f, 1);
	sit(&f, 0);
	sit(&f, 1);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[1], 50, 0) && f.a.due == U64_MAX);
	test_end();
}

static void test_commit_of_old_place(void)
{
	struct mqbus_slot *slot;
	struct fix f;

	test_begin("a place found some time ago does not move a floor back, nor too far");
	fix_make(&f, 1);
	slot = &f.slots[0];
	sit(&f, 0);
	give(&f, 0, 10);
	mqbus_slot_commit(&f.a, slot, &(struct mqbus_mark){ 320, 5 });
	CHECK(slot->cursor.floor == 320 && slot->cursor.done.offset == 5);
	mqbus_slot_commit(&f.a, slot, &(struct mqbus_mark){ 64, 6 });
	CHECK(slot->cursor.floor == 320 && slot->cursor.done.offset == 6);
	mqbus_slot_commit(&f.a, slot, &(struct mqbus_mark){ 6400, 7 });
	CHECK(slot->cursor.floor == 640 && slot->cursor.done.offset == 7);
	test_end();
}

static void test_untake_of_committed(void)
{
	struct mqbus_range r = {
		.begin = 128, .begin_offset = 2, .end = 640, .end_offset = 10, .generation = 1,
	};
	struct mqbus_slot *slot;
	struct fix f;

	test_begin("untake: not below what was committed, nor after another had it");
	fix_make(&f, 1);
	slot = &f.slots[0];
	sit(&f, 0);
	give(&f, 0, 10);
	mqbus_slot_commit(&f.a, slot, &(struct mqbus_mark){ 192, 3 });
	mqbus_slot_untake(&f.a, slot, &f.seats[0], &r);
	CHECK(slot->cursor.given.offset == 3);
	give(&f, 0, 7);
	r.begin = 192;
	r.begin_offset = 3;
	r.generation = 2;
	mqbus_slot_untake(&f.a, slot, &f.seats[0], &r);
	r.generation = 1;
	mqbus_slot_untake(&f.a, slot, &f.seats[1], &r);
	CHECK(slot->cursor.given.offset == 10);
	/* When it was to be released that was all, so it moves */
	sit(&f, 1);
	CHECK(mqbus_assign_stand(&f.a, &f.seats[1], 0, 0));
	mqbus_slot_untake(&f.a, slot, &f.seats[0], &r);
	CHECK(slot->cursor.given.offset == 3 && slot->owner == &f.seats[0]);
	fix_make(&f, 2);
	sit(&f, 0);
	give(&f, 0, 3);
	give(&f, 1, 3);
	sit(&f, 1);
	r = (struct mqbus_range) { .end = 192, .end_offset = 3, .generation = 2 };
	CHECK(f.slots[1].owner == &f.seats[0] && mqbus_slot_revoked(&f.slots[1]));
	mqbus_slot_untake(&f.a, &f.slots[1], &f.seats[0], &r);
	CHECK(f.slots[1].owner == &f.seats[1]);
	test_end();
}

static void test_many(void)
{
	u32 nr = MQBUS_MEMBERS_MAX, i;
	struct mqbus_seat *seats = calloc(nr + 1, sizeof(*seats));
	struct mqbus_seat **table = calloc(nr + 1, sizeof(*table));
	struct fix f;

	test_begin("as many seats as there may be");
	fix_make(&f, 8);
	CHECK(!f.a.nr_seats);
	for (i = 0; i < SEATS; i++)
		sit(&f, i);
	CHECK(mqbus_assign_sit(&f.a, &seats[0], 0) == -EMFILE);
	fix_make(&f, 8);
	f.a.seats = table;
	f.a.room = nr + 1;
	for (i = 0; i < nr; i++)
		CHECK(!mqbus_assign_sit(&f.a, &seats[i], 0));
	CHECK(mqbus_assign_sit(&f.a, &seats[nr], 0) == -EMFILE);
	CHECK(mqbus_assign_stand(&f.a, &seats[5], 0, 0));
	CHECK(!mqbus_assign_sit(&f.a, &seats[nr], 0) && seats[nr].index == 5);
	free(table);
	free(seats);
	test_end();
}

int main(void)
{
	test_init(16);
	test_share();
	test_standby();
	test_cheap_first();
	test_keep();
	test_deadlines();
	test_robbed();
	test_generation();
	test_away();
	test_commit_of_old_place();
	test_untake_of_committed();
	test_many();
	return test_done();
}
