// SPDX-License-Identifier: GPL-2.0
/*
 * Elements of calls that take arrays. Their content follows from a seed, and from what earlier
 * calls returned.
 */
#include "fuzz.h"

#define ELEMENTS	16

static __u64 pick(struct worker *w, enum kind of)
{
	return value_of(of, value_pick(of, &w->rng, rng_once(&w->rng, 60)));
}

static __u64 headers(struct worker *w, __u32 *len)
{
	struct mqbus_header h = { .name_len = 1 + rng_below(&w->rng, 11),
				  .value_len = rng_below(&w->rng, 40) };
	char *at = memory_elements(w, 2 * (sizeof(h) + 64));
	unsigned int n = 1 + rng_below(&w->rng, 2), used = 0;

	while (n--) {
		memcpy(at + used, &h, sizeof(h));
		/* mostly the one that dead letters use */
		memcpy(at + used + sizeof(h), MQBUS_DLQ_PREFIX "topic", h.name_len);
		used += sizeof(h) + h.name_len + h.value_len;
	}
	*len = rng_once(&w->rng, 20) ? rng_below(&w->rng, used + 8) : used;
	if (rng_once(&w->rng, 200))
		*len = MQBUS_HEADERS_MAX + rng_below(&w->rng, 2);
	return (uintptr_t)at;
}

static void msg_fill(struct worker *w, struct mqbus_msg *m)
{
	static const __u32 sizes[] = {
		8, 0, 1, 24, 100, 300, 600, 900, 1000, 1900, 2048, 4000, 8100, 60000,
		MQBUS_RECORD_MAX, MQBUS_RECORD_MAX + 1, ~0U,
	};
	struct rng *rng = &w->rng;

	/* mostly a value that fits into the smallest ring with its other parts */
	m->value_len = sizes[rng_below(rng, rng_once(rng, 6) ? ARRAY_SIZE(sizes) : 9)];
	if (w->tame && m->value_len > 600)
		m->value_len = 600;
	m->value = (uintptr_t)memory_payload(w, m->value_len);
	if (rng_once(rng, 2)) {
		m->key_len = rng_once(rng, 40) ? MQBUS_KEY_MAX + rng_below(rng, 2) :
						 1 + rng_below(rng, 3);
		m->key = (uintptr_t)memory_payload(w, m->key_len);
	}
	if (rng_once(rng, 6)) {
		m->routing_key_len = rng_once(rng, 20) ?
			MQBUS_ROUTING_KEY_MAX + rng_below(rng, 2) : rng_below(rng, 20);
		m->routing_key = (uintptr_t)memory_payload(w, m->routing_key_len);
	}
	if (rng_once(rng, 6))
		m->headers = headers(w, &m->headers_len);
	m->partition = rng_once(rng, 4) ? pick(w, K_PARTITION) : MQBUS_ANY;
	if (w->tame && m->partition != MQBUS_ANY && !rng_once(rng, 6))
		m->partition = 0;
	if (rng_once(rng, 100))
		m->flags = 1 << rng_below(rng, 32);
	if (rng_once(rng, 100))
		m->value = rng_next(rng);
}

static void settle_fill(struct worker *w, struct mqbus_settle *s)
{
	static const __u32 choices[] = {
		MQBUS_ACK, MQBUS_NACK, MQBUS_RELEASE, MQBUS_REJECT, MQBUS_EXTEND, MQBUS_EXTEND + 1,
	};
	unsigned int nr = atomic_load(&world.lease_nr), at, i;
	struct rng *rng = &w->rng;

	if (nr > ARRAY_SIZE(world.lease))
		nr = ARRAY_SIZE(world.lease);
	/* the latest leases are mostly held, and by one member */
	for (i = 0; nr && i < (w->tame ? 16 : 1); i++) {
		at = (atomic_load(&world.lease_nr) - 1 -
		      rng_below(rng, rng_once(rng, 3) ? nr : 4)) % ARRAY_SIZE(world.lease);
		s->lease = world.lease[at];
		if (world.lease_slot[at] == w->slot)
			break;
	}
	if (rng_once(rng, 20))
		s->lease += (__u64)rng_below(rng, 3) << (rng_below(rng, 2) * 32);
	s->what = choices[rng_below(rng, ARRAY_SIZE(choices) - !rng_once(rng, 10))];
	if (s->what != MQBUS_ACK && s->what != MQBUS_REJECT && rng_once(rng, 3))
		s->delay = pick(w, K_BACKOFF);
}

static void entry_fill(struct worker *w, struct mqbus_commit_entry *e)
{
	unsigned int nr = atomic_load(&world.range_nr), at = 0, i;
	struct rng *rng = &w->rng;

	if (nr && !rng_once(rng, 8)) {
		const struct mqbus_range *r;

		for (i = 0; i < (w->tame ? 16 : 1); i++) {
			at = (nr - 1 - rng_below(rng, 4)) % ARRAY_SIZE(world.range);
			if (world.range_slot[at] == w->slot)
				break;
		}
		r = &world.range[at];
		e->partition = r->partition;
		e->offset = rng_once(rng, 3) ? r->begin_offset + 1 : r->end_offset;
		e->generation = rng_once(rng, 3) ? r->generation : 0;
		/* a partition to be released has no records */
		if (r->flags & MQBUS_RANGE_F_REVOKED && rng_once(rng, 2))
			e->offset--;
	} else {
		e->partition = pick(w, K_PARTITION);
		e->offset = rng_below(rng, 5);
		if (w->tame)
			e->partition = 0;
	}
}

/* Leases that a transaction takes: settled afterwards, or as if they had not been handed out */
static void settles_agree(struct worker *w, struct mqbus_settle *s)
{
	static const __u32 choices[] = { MQBUS_ACK, MQBUS_REJECT, MQBUS_RELEASE };
	unsigned int i;

	for (i = 0; i < ELEMENTS && !rng_once(&w->rng, 16); i++) {
		s[i].what = choices[rng_below(&w->rng, ARRAY_SIZE(choices))];
		s[i].delay = 0;
	}
}

/* Whether an endpoint has an element for an act */
static bool act_usable(unsigned int slot, int role)
{
	unsigned int i, n;

	if (role == ROLE_QUEUE) {
		n = atomic_load(&world.lease_nr);
		for (i = 0; i < ARRAY_SIZE(world.lease) && i < n; i++)
			if (world.lease_slot[i] == slot)
				return true;
	}
	if (role == ROLE_STREAM) {
		n = atomic_load(&world.range_nr);
		for (i = 0; i < ARRAY_SIZE(world.range) && i < n; i++)
			if (world.range_slot[i] == slot)
				return true;
	}
	return role == ROLE_PRODUCER;
}

static __u64 array_acts(struct worker *w, struct mqbus_act *acts)
{
	static const __u32 kinds[] = {
		MQBUS_ACT_PUBLISH, MQBUS_ACT_COMMIT, MQBUS_ACT_SETTLE, MQBUS_ACT_SETTLE + 1,
	};
	struct rng *rng = &w->rng;
	unsigned int slot = rng_below(rng, SLOTS), i;

	for (i = 0; i < 8; i++) {
		struct mqbus_act *a = &acts[i];
		int role, tries = 0;

		do {
			slot = (slot + 1) % SLOTS;
			role = atomic_load(&world.role[slot]);
		} while (!(w->tame ? act_usable(slot, role) : role) && ++tries < SLOTS);
		a->fd = rng_once(rng, 60) ? (int)pick(w, K_COUNT) : atomic_load(&world.fd[slot]);
		a->kind = role == ROLE_PRODUCER ? kinds[0] : kinds[1 + rng_below(rng, 2)];
		if (w->tame)
			a->kind = kinds[role ? role - ROLE_PRODUCER : 0];
		w->slot = slot;
		if (rng_once(rng, 30))
			a->kind = kinds[rng_below(rng, ARRAY_SIZE(kinds))];
		a->count = 1 + rng_below(rng, rng_once(rng, 3) ? 12 : 3);
		if (w->tame && (a->kind != MQBUS_ACT_PUBLISH || a->count > 3))
			a->count = 1;
		if (rng_once(rng, 60))
			a->count = pick(w, K_COUNT);
		if (a->kind == MQBUS_ACT_PUBLISH) {
			a->size = sizeof(struct mqbus_msg);
			a->elements = array_of(w, K_MSGS, rng_below(rng, BAD));
			if (rng_once(rng, 2))
				a->places = array_of(w, K_PLACES, rng_below(rng, BAD));
			a->place_size = a->places ? sizeof(struct mqbus_place) : 0;
			a->seq = rng_once(rng, 4) ? pick(w, K_SEQ) : 0;
		} else if (a->kind == MQBUS_ACT_COMMIT) {
			a->size = sizeof(struct mqbus_commit_entry);
			a->elements = array_of(w, K_ENTRIES, rng_below(rng, BAD));
		} else {
			a->size = sizeof(struct mqbus_settle);
			a->elements = array_of(w, K_SETTLES, rng_below(rng, BAD));
			if (w->tame)
				settles_agree(w, (void *)(uintptr_t)a->elements);
		}
	}
	return (uintptr_t)acts;
}

static __u64 array_build(struct worker *w, enum kind which)
{
	unsigned int i, nr = atomic_load(&world.place_nr);
	struct mqbus_commit_entry *entries;
	struct mqbus_settle *settles;
	struct mqbus_place *places;
	struct mqbus_msg *msgs;

	switch (which) {
	case K_MSGS:
		msgs = memory_elements(w, ELEMENTS * sizeof(*msgs));
		for (i = 0; i < ELEMENTS; i++)
			msg_fill(w, &msgs[i]);
		return (uintptr_t)msgs;
	case K_SETTLES:
		settles = memory_elements(w, ELEMENTS * sizeof(*settles));
		for (i = 0; i < ELEMENTS; i++)
			settle_fill(w, &settles[i]);
		return (uintptr_t)settles;
	case K_ENTRIES:
		entries = memory_elements(w, ELEMENTS * sizeof(*entries));
		for (i = 0; i < ELEMENTS; i++)
			entry_fill(w, &entries[i]);
		return (uintptr_t)entries;
	case K_PLACES:
		places = memory_elements(w, ELEMENTS * sizeof(*places));
		for (i = 0; i < ELEMENTS && nr; i++)
			places[i] = world.place[rng_below(&w->rng, nr < 16 ? nr : 16)];
		return (uintptr_t)places;
	case K_ACTS:
		return array_acts(w, memory_elements(w, 8 * sizeof(struct mqbus_act)));
	default:
		/* filled by the call */
		return (uintptr_t)memory_elements(w, ELEMENTS * 64);
	}
}

/* The address of an array. Elements inside others go on with the others' random numbers. */
__u64 array_of(struct worker *w, enum kind which, __u16 arg)
{
	static const __u64 nowhere[] = {
		0, 1, 4096, 0xffff888000000000ULL, 0x8000000000000000ULL, ~0ULL, ~0ULL - 4095,
	};

	if (arg & BAD)
		return nowhere[(arg & ~BAD) % ARRAY_SIZE(nowhere)];
	if (!w->used) {
		rng_seed(&w->rng, arg);
		w->tame = arg & TAME;
	}
	return array_build(w, which);
}
