// SPDX-License-Identifier: GPL-2.0
/*
 * Random members of a stream group that join, fetch, commit, are slow, leave, die and rejoin.
 * All invariants are checked after each operation.
 */
#include <errno.h>

#include "assign.h"
#include "test.h"

#define RUN_OPS		3000
#define SLOTS		13
#define MEMBERS		24
#define IDS		6
#define TIMEOUT		100
#define RECORD		64

/* Core does not look into it */
struct mqbus_member {
	struct mqbus_seat *seat;	/* NULL: absent, or gone for good */
	u32 id;				/* 0: none */
	u32 generation[SLOTS];		/* of its last range of each partition */
	bool forced[SLOTS];		/* fenced since */
	bool ready;			/* at the last check: it has records to fetch */
	bool touched;			/* a partition came, is to be released, or no more */
	bool woken;
};

/* Expected state of a partition */
struct part {
	struct ring_mem mem;
	struct mqbus_ring ring;
	struct mqbus_member *owner;
	u32 generation;
	u64 done;
	u64 given;
	u64 deadline;
	struct mqbus_seat *target;
	bool revoked;
};

enum met {
	MOVED, REVOKED, TOLD, DRAINED, RELEASED, FENCED, ADMITTED, KEPT, BACK, LAPSED,
	TAKEN_OVER, SOUGHT, STALE, NOLINK, UNTAKEN, WOKEN, KEPT_AFTER_ALL, MET,
};

struct sim {
	struct mqbus_assign a;
	struct mqbus_slot slots[SLOTS];
	struct mqbus_member *readers[SLOTS];
	struct mqbus_seat *seats[MEMBERS];
	struct rng rng;
	u32 nr;
	u64 now;
	u32 generation;
	struct part parts[SLOTS];
	struct mqbus_member members[MEMBERS];
	u32 turned;	/* partitions whose target changed */
	u64 met[MET];
};

/* Effects that an operation may have, for check() */
struct may {
	const struct mqbus_seat *joins;	/* it may become the target of partitions */
	u32 goes;			/* so many partitions may get other targets */
	const struct mqbus_member *loses; /* it may lose uncommitted records */
	const struct mqbus_member *self; /* it makes the call, so it is not asleep */
	bool anything;
};

static bool shares(const struct mqbus_seat *seat)
{
	return seat->state == MQBUS_SEAT_ACTIVE || seat->state == MQBUS_SEAT_AWAY;
}

static void check_balance(struct sim *s)
{
	u32 nr = 0, seats = 0, i, k;

	for (i = 0; i < MEMBERS; i++) {
		seats += !!s->seats[i];
		nr += s->seats[i] && shares(s->seats[i]);
	}
	CHECK(seats == s->a.nr_seats);
	for (i = 0; i < MEMBERS; i++) {
		const struct mqbus_seat *seat = s->seats[i];
		u32 has = 0;

		for (k = 0; seat && k < s->nr; k++)
			has += s->slots[k].target == seat;
		if (seat && shares(seat))
			CHECK(has >= s->nr / nr && has <= (s->nr + nr - 1) / nr);
		else
			CHECK(!has);
	}
	for (k = 0; k < s->nr; k++)
		CHECK(!s->slots[k].target == !nr);
}

static void check_slot(struct sim *s, u32 k, const struct may *may)
{
	struct mqbus_slot *slot = &s->slots[k];
	struct part *p = &s->parts[k];
	struct mqbus_member *owner = slot->owner ? slot->owner->member : NULL;
	bool revoked = slot->owner && slot->owner != slot->target;

	/* An owner is present, and a present target owns its partition if it can */
	CHECK(!slot->owner || (owner && owner->seat == slot->owner &&
			       slot->owner->state == MQBUS_SEAT_ACTIVE));
	CHECK(slot->owner || !slot->target || slot->target->state != MQBUS_SEAT_ACTIVE);
	CHECK(slot->owner || slot->cursor.given.offset == slot->cursor.done.offset);
	CHECK(!revoked || slot->cursor.given.offset != slot->cursor.done.offset);
	CHECK(revoked == mqbus_slot_revoked(slot));
	CHECK(revoked ? slot->deadline > s->now : !slot->deadline && !slot->told);
	/* Publishers wake the member that would get their records */
	CHECK(s->readers[k] == (revoked ? NULL : owner));
	if (owner && (revoked != p->revoked || p->owner != owner ||
		      p->generation != slot->generation))
		owner->touched = true;
	s->met[KEPT_AFTER_ALL] += !revoked && p->revoked && p->owner == owner &&
				  p->generation == slot->generation;
	/* A revocation is not put off for ever */
	if (revoked && p->revoked && p->owner == owner && p->generation == slot->generation)
		CHECK(slot->deadline == p->deadline);
	CHECK(!revoked || s->a.due <= slot->deadline);
	s->met[REVOKED] += revoked && !p->revoked;
	p->revoked = revoked;
	p->deadline = slot->deadline;

	/* Without a cause the target stays */
	if (p->target && slot->target != p->target &&
	    !(owner && owner == p->owner && slot->target == slot->owner))
		s->turned += slot->target != may->joins;
	p->target = slot->target;

	/*
	 * One owner at a time: a member gets no partition that another works on, unless it was
	 * taken by force
	 */
	if (owner != p->owner && p->owner) {
		CHECK(p->given == p->done || may->loses == p->owner || !p->owner->seat ||
		      p->owner->seat->state == MQBUS_SEAT_FENCED);
		s->met[MOVED]++;
	}
	if (owner != p->owner || slot->generation != p->generation) {
		CHECK(!owner || (slot->generation > s->generation &&
				 slot->generation <= s->a.generation));
		p->given = p->done;
	}
	p->owner = owner;
	p->generation = slot->generation;
	CHECK(slot->cursor.done.offset == p->done && slot->cursor.given.offset == p->given);
}

static bool is_ready(struct sim *s, const struct mqbus_member *m)
{
	u32 k;

	if (!m->seat || m->seat->state == MQBUS_SEAT_FENCED)
		return m->seat;
	for (k = 0; k < s->nr; k++)
		if (s->slots[k].owner == m->seat &&
		    mqbus_slot_ready(&s->slots[k], &s->parts[k].ring, false))
			return true;
	return false;
}

/* A member that may sleep is woken when something arrives for it; others are not. */
static void check_wakes(struct sim *s, const struct may *may)
{
	struct mqbus_member *woken[3], *m;
	u32 at = 0, n, i, k;

	while (s->a.changed) {
		n = mqbus_assign_woken(&s->a, &at, woken, 3);
		for (i = 0; i < n; i++) {
			CHECK(woken[i]->seat && !woken[i]->seat->wake);
			woken[i]->woken = true;
		}
		s->a.changed = n == 3;
	}
	for (i = 0; i < MEMBERS; i++) {
		bool ready = is_ready(s, &s->members[i]);
		struct mqbus_slot *slot;
		u32 owned = 0;

		m = &s->members[i];
		if (m != may->self) {
			CHECK(!ready || m->ready || m->woken);
			CHECK(!m->woken || ready || m->touched);
		}
		s->met[WOKEN] += m->woken;
		m->ready = ready;
		m->woken = false;
		m->touched = false;
		if (!m->seat)
			continue;
		/* Its list has exactly the partitions that it owns */
		for (k = 0; k < s->nr; k++)
			owned += s->slots[k].owner == m->seat;
		list_for_each_entry(slot, &m->seat->owned, node) {
			CHECK(slot->owner == m->seat);
			owned--;
		}
		CHECK(!owned);
	}
}

static void check(struct sim *s, const struct may *may)
{
	u32 generation = s->generation, k, same = 0;

	check_balance(s);
	s->turned = 0;
	for (k = 0; k < s->nr; k++)
		check_slot(s, k, may);
	CHECK(may->anything || s->turned <= may->goes);
	for (k = 0; k < s->nr; k++)
		if (s->slots[k].owner && s->slots[k].generation > generation)
			same++;
	/* Each grant counts, with a new generation */
	CHECK(s->a.generation - generation >= same);
	s->generation = s->a.generation;
	check_wakes(s, may);
}

static struct mqbus_member *any_member(struct sim *s)
{
	struct mqbus_member *m = &s->members[rng_below(&s->rng, MEMBERS)];

	return m->seat ? m : NULL;
}

static struct mqbus_seat *find_id(struct sim *s, u32 id)
{
	char name[8] = { 'a' + id };

	return id ? mqbus_assign_find(&s->a, name, 0) : NULL;
}

static void op_join(struct sim *s)
{
	struct mqbus_member *m = &s->members[rng_below(&s->rng, MEMBERS)];
	struct may may = {};
	struct mqbus_seat *seat;

	if (m->seat)
		return;
	*m = (struct mqbus_member) { .id = rng_below(&s->rng, 3) ? 0 : rng_below(&s->rng, IDS) };
	seat = find_id(s, m->id);
	if (seat) {
		may.anything = seat->state == MQBUS_SEAT_FENCED;
		s->met[seat->member ? TAKEN_OVER : BACK]++;
		may.loses = seat->member;
		if (seat->member)
			seat->member->seat = NULL;
		seat->member = m;
		m->seat = seat;
		mqbus_assign_take_over(&s->a, seat, s->now);
	} else {
		bool room = s->a.nr_seats < MEMBERS;
		u32 before = 0, after = 0, nr = 0, i;
		int err;

		seat = calloc(1, sizeof(*seat));
		if (m->id)
			seat->id[0] = 'a' + m->id;
		seat->member = m;
		m->seat = seat;
		for (i = 0; i < MEMBERS; i++)
			nr += s->seats[i] && shares(s->seats[i]);
		for (i = 0; i < s->nr; i++)
			before += !!s->slots[i].target;
		err = mqbus_assign_sit(&s->a, seat, s->now);
		CHECK(err == (room ? 0 : -EMFILE));
		if (err) {
			free(seat);
			m->seat = NULL;
			return;
		}
		may.joins = seat;
		for (i = 0; i < s->nr; i++)
			after += s->slots[i].target == seat;
		CHECK(!before || after <= (s->nr + nr) / (nr + 1));
	}
	CHECK(seat->state == MQBUS_SEAT_ACTIVE);
	check(s, &may);
}

static void op_leave(struct sim *s, struct mqbus_member *m)
{
	u64 until = m->id && rng_once(&s->rng, 2) ? s->now + 1 + rng_below(&s->rng, 300) : 0;
	struct mqbus_seat *seat = m->seat;
	struct may may = { .loses = m, .goes = seat->nr };
	bool keep = until && seat->nr;

	m->seat = NULL;
	CHECK(mqbus_assign_stand(&s->a, seat, until, s->now) == !keep);
	s->met[KEPT] += keep;
	if (keep)
		may.goes = 0;
	check(s, &may);
	if (!keep)
		free(seat);
}

static void op_fetch(struct sim *s, struct mqbus_member *m)
{
	const struct may may = { .self = m };
	u32 k;

	if (m->seat->state == MQBUS_SEAT_FENCED)
		return;
	for (k = 0; k < s->nr; k++) {
		struct mqbus_slot *slot = &s->slots[k];
		struct part *p = &s->parts[k];
		bool revoked = mqbus_slot_revoked(slot), told = slot->told;
		bool paused = rng_once(&s->rng, 8), ready, got;
		struct mqbus_range r = { .partition = k, .flags = 9 };

		if (slot->owner != m->seat)
			continue;
		ready = mqbus_slot_ready(slot, &p->ring, paused);
		got = mqbus_slot_take(slot, &p->ring, paused, &r);
		CHECK(got == ready);
		CHECK(got == (revoked ? !told : !paused && p->given != p->ring.tail.offset));
		if (!got)
			continue;
		CHECK(r.partition == k && r.generation == slot->generation && !r.lost);
		CHECK(r.flags == (revoked ? MQBUS_RANGE_F_REVOKED : 0) && !r.__reserved);
		CHECK(r.begin_offset == p->given && r.begin == p->given * RECORD);
		if (revoked) {
			CHECK(r.end_offset == p->given && r.end == r.begin && slot->told);
			s->met[TOLD]++;
		} else {
			CHECK(r.end_offset == p->ring.tail.offset);
		}
		if (rng_once(&s->rng, 6)) {
			mqbus_slot_untake(&s->a, slot, m->seat, &r);
			CHECK(!slot->told || told);
			s->met[UNTAKEN]++;
			continue;
		}
		p->given = r.end_offset;
		m->generation[k] = r.generation;
		m->forced[k] = false;
	}
	check(s, &may);
}

static void op_commit(struct sim *s, struct mqbus_member *m)
{
	const struct may may = { .self = m };
	u32 k = rng_below(&s->rng, s->nr), generation = m->generation[k];
	struct mqbus_slot *slot = &s->slots[k];
	struct part *p = &s->parts[k];
	struct mqbus_mark to;
	int err, want = 0;

	to.offset = p->done + rng_below(&s->rng, p->given - p->done + 1);
	if (rng_once(&s->rng, 3))
		to.offset = p->given;
	if (rng_once(&s->rng, 16))
		to.offset = rng_once(&s->rng, 2) ? p->given + 1 : p->done - 1;
	to.pos = to.offset * RECORD;
	if (slot->owner == m->seat && (!generation || generation == slot->generation))
		want = to.offset < p->done || to.offset > p->given ? -ERANGE : 0;
	else
		want = m->seat->state == MQBUS_SEAT_FENCED || (generation && m->forced[k]) ||
		       (!generation && slot->robbed == m->seat) ?
		       -ENOLINK : -ESTALE;
	err = mqbus_slot_check(slot, m->seat, generation, to.offset);
	CHECK(err == want);
	s->met[STALE] += err == -ESTALE;
	s->met[NOLINK] += err == -ENOLINK;
	if (err)
		return;
	s->met[DRAINED] += mqbus_slot_revoked(slot) && to.offset == p->given;
	mqbus_slot_commit(&s->a, slot, &to);
	p->done = to.offset;
	check(s, &may);
}

static void op_release(struct sim *s, struct mqbus_member *m)
{
	const struct may may = { .loses = m, .self = m };
	bool revoked;
	u32 k;

	for (k = 0; k < s->nr; k++) {
		if (s->slots[k].owner != m->seat)
			continue;
		revoked = mqbus_slot_revoked(&s->slots[k]);
		s->met[RELEASED] += revoked;
		mqbus_slot_release(&s->a, &s->slots[k]);
		CHECK(s->slots[k].owner != m->seat ||
		      (!revoked && s->slots[k].generation == s->parts[k].generation));
	}
	check(s, &may);
}

static void note_forced(struct sim *s)
{
	u32 i, k;

	for (i = 0; i < MEMBERS; i++)
		if (s->members[i].seat && s->members[i].seat->state == MQBUS_SEAT_FENCED)
			for (k = 0; k < s->nr; k++)
				s->members[i].forced[k] = true;
}

static void op_tick(struct sim *s)
{
	struct may may = { .anything = true };
	bool late[MEMBERS] = {}, was[MEMBERS] = {};
	struct mqbus_seat *seat, *next;
	struct list_head gone;
	u32 i, k;

	s->now += rng_below(&s->rng, 60);
	for (i = 0; i < MEMBERS; i++) {
		if (!s->seats[i])
			continue;
		was[i] = s->seats[i]->state == MQBUS_SEAT_FENCED;
		for (k = 0; k < s->nr; k++)
			late[i] |= s->slots[k].owner == s->seats[i] && s->parts[k].revoked &&
				   s->parts[k].deadline <= s->now;
	}
	INIT_LIST_HEAD(&gone);
	mqbus_assign_tick(&s->a, s->now, &gone);
	list_for_each_entry_safe(seat, next, &gone, node) {
		CHECK(seat->until <= s->now && !seat->member && s->seats[seat->index] != seat);
		s->met[LAPSED]++;
		free(seat);
	}
	for (i = 0; i < MEMBERS; i++) {
		if (!s->seats[i])
			continue;
		/* The late ones, and no others */
		CHECK((s->seats[i]->state == MQBUS_SEAT_FENCED) == (late[i] || was[i]));
		CHECK(s->seats[i]->state != MQBUS_SEAT_AWAY || s->seats[i]->until > s->now);
		s->met[FENCED] += late[i];
	}
	note_forced(s);
	check(s, &may);
}

static void op_admit(struct sim *s, struct mqbus_member *m)
{
	const struct may may = { .joins = m->seat, .self = m };

	if (m->seat->state != MQBUS_SEAT_FENCED)
		return;
	mqbus_assign_admit(&s->a, m->seat, s->now);
	CHECK(list_entry(s->a.order.prev, struct mqbus_seat, node) == m->seat);
	s->met[ADMITTED]++;
	check(s, &may);
}

/* A forced seek: all lose all partitions, and cursors move */
static void op_seek(struct sim *s)
{
	const struct may may = { .anything = true };
	u32 k;

	mqbus_assign_fence_all(&s->a, s->now);
	note_forced(s);
	check(s, &may);
	for (k = 0; k < s->nr; k++) {
		struct mqbus_ring *ring = &s->parts[k].ring;
		struct mqbus_mark at;

		CHECK(!s->slots[k].owner);
		at.offset = ring->head.offset +
			    rng_below(&s->rng, ring->tail.offset - ring->head.offset + 1);
		at.pos = at.offset * RECORD;
		spin_lock(&ring->lock);
		mqbus_cursor_place(&s->slots[k].cursor, ring, &at);
		spin_unlock(&ring->lock);
		s->parts[k].done = at.offset;
		s->parts[k].given = at.offset;
	}
	s->met[SOUGHT]++;
	check(s, &may);
}

static void op_publish(struct sim *s)
{
	u32 k = rng_below(&s->rng, s->nr), n = rng_below(&s->rng, 5);
	struct mqbus_ring *ring = &s->parts[k].ring;

	spin_lock(&ring->lock);
	while (n-- && mqbus_ring_reserve(ring, RECORD, mqbus_cursor_floor(&s->slots[k].cursor))) {
		rec_fill(mqbus_ring_slot(ring), RECORD, ring->tail.offset, 1);
		mqbus_ring_stage(ring, RECORD);
	}
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
	/* It wakes a member, perhaps in vain */
	check_wakes(s, &(struct may){ .self = s->readers[k] });
}

static void op_any(struct sim *s)
{
	struct mqbus_member *m = any_member(s);

	switch (rng_below(&s->rng, 64)) {
	case 0 ... 15:
		op_publish(s);
		break;
	case 16:
		op_join(s);
		break;
	case 17:
		if (m && rng_once(&s->rng, 2))
			op_leave(s, m);
		break;
	case 18 ... 19:
		op_tick(s);
		break;
	case 20:
		if (m)
			op_release(s, m);
		break;
	case 21 ... 23:
		if (m)
			op_admit(s, m);
		break;
	case 24:
		if (rng_once(&s->rng, 20))
			op_seek(s);
		break;
	case 25 ... 44:
		if (m)
			op_fetch(s, m);
		break;
	default:
		if (m)
			op_commit(s, m);
		break;
	}
}

/* In the end one member is left, and finds all uncommitted records */
static void drain(struct sim *s)
{
	struct mqbus_member *m = NULL;
	struct list_head gone;
	struct mqbus_seat *seat, *next;
	u32 i, k;

	for (i = 0; i < MEMBERS; i++)
		if (s->members[i].seat) {
			m = &s->members[i];
			m->id = 0;
			op_leave(s, m);
		}
	s->now += 1000;
	INIT_LIST_HEAD(&gone);
	mqbus_assign_tick(&s->a, s->now, &gone);
	list_for_each_entry_safe(seat, next, &gone, node)
		free(seat);
	CHECK(!s->a.nr_seats && list_empty(&s->a.order) && s->a.due == U64_MAX);
	check(s, &(struct may){ .anything = true });
	while (!m || !m->seat) {
		op_join(s);
		for (i = 0; i < MEMBERS && (!m || !m->seat); i++)
			m = &s->members[i];
	}
	for (k = 0; k < s->nr; k++) {
		struct mqbus_range r;
		bool got;

		CHECK(s->slots[k].owner == m->seat);
		got = mqbus_slot_take(&s->slots[k], &s->parts[k].ring, false, &r);
		CHECK(got == (s->parts[k].done != s->parts[k].ring.tail.offset));
		CHECK(!got || (r.begin_offset == s->parts[k].done &&
			       r.end_offset == s->parts[k].ring.tail.offset));
		ring_mem_free(&s->parts[k].mem);
	}
	free(m->seat);
}

static u64 run(u64 number, u32 nr, u64 *met)
{
	const struct mqbus_mark start = {};
	struct sim s = { .nr = nr };
	u32 i;

	rng_init(&s.rng, number);
	for (i = 0; i < nr; i++) {
		ring_make(&s.parts[i].mem, &s.parts[i].ring, 4096, false);
		mqbus_cursor_init(&s.slots[i].cursor);
		spin_lock(&s.parts[i].ring.lock);
		mqbus_cursor_place(&s.slots[i].cursor, &s.parts[i].ring, &start);
		spin_unlock(&s.parts[i].ring.lock);
	}
	mqbus_assign_init(&s.a, s.slots, s.readers, nr);
	s.a.timeout = TIMEOUT;
	s.a.seats = s.seats;
	s.a.room = MEMBERS;
	for (i = 0; i < RUN_OPS && !rng_dry(); i++)
		op_any(&s);
	drain(&s);
	for (i = 0; i < MET; i++)
		met[i] += s.met[i];
	return RUN_OPS;
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u64 met[MET] = {};

	if (size < 1)
		return 0;
	rng_bytes(data + 1, size - 1);
	run(0, 1 + data[0] % SLOTS, met);
	return 0;
}
#else
int main(void)
{
	static const char *const names[MET] = {
		"moved", "revoked", "told", "drained", "released", "fenced", "admitted", "kept",
		"came back", "lapsed", "taken over", "sought", "stale", "no link", "untaken",
		"woken", "kept after all",
	};
	static const u32 sizes[] = { 1, 2, 3, 5, 8, SLOTS };
	u64 met[MET] = {}, ops = 0;
	u32 i, k;

	test_init(17);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%u partitions", sizes[i]);
		test_begin(name);
		for (k = 0; k < 40; k++)
			ops += run((u64)k << 8 | sizes[i], sizes[i], met);
		test_end();
	}
	test_begin("all of it was met");
	test_note("%llu operations", (unsigned long long)ops);
	for (i = 0; i < MET; i++) {
		test_note("  %s: %llu", names[i], (unsigned long long)met[i]);
		CHECK(met[i]);
	}
	test_end();
	return test_done();
}
#endif
