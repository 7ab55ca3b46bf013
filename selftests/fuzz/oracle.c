// SPDX-License-Identifier: GPL-2.0
/*
 * Flows whose outcome is known: a topic with a stream group, a queue group and a DLQ. Each
 * group gets each record that was reported as stored, in order and once, until it is settled; a
 * call that fails changes nothing; the figures at the end are the flow's own.
 */
#include <poll.h>

#include "oracle.h"

struct figures {
	__u64 part[PARTS][MQBUS_A_PARTITION_MAX + 1];
};

static void figures_get(struct flow *f, struct figures *g)
{
	__u32 i;

	for (i = 0; i < f->parts; i++)
		netlink_numbers(MQBUS_CMD_PARTITION_GET, "t0", NULL, i, g->part[i],
				MQBUS_A_PARTITION_MAX, NULL, 0);
}

/* Calls that failed, and queries, have changed nothing */
static void figures_check(struct flow *f, const struct figures *before)
{
	struct figures after;
	__u32 i;

	figures_get(f, &after);
	for (i = 0; i < f->parts; i++) {
		const __u64 *a = before->part[i], *b = after.part[i];

		CHECK(a[MQBUS_A_PARTITION_NEXT_OFFSET] == b[MQBUS_A_PARTITION_NEXT_OFFSET]);
		CHECK(a[MQBUS_A_PARTITION_EVICTED] == b[MQBUS_A_PARTITION_EVICTED]);
		CHECK(a[MQBUS_A_PARTITION_HEAD_OFFSET] == b[MQBUS_A_PARTITION_HEAD_OFFSET]);
	}
}

static void op_poll(struct flow *f)
{
	struct pollfd p = { .fd = f->producer, .events = POLLOUT };
	struct figures before;

	figures_get(f, &before);
	CHECK(poll(&p, 1, 0) >= 0);
	figures_check(f, &before);
}

struct batch {
	__u64 id[4];
	char value[4][512];
	struct mqbus_msg msg[4];
	struct mqbus_place place[4];
	__u32 n;
};

static void stored(struct flow *f, const struct batch *b, __u32 i)
{
	const struct mqbus_place *place = &b->place[i];

	CHECK(place->partition < f->parts);
	CHECK(place->offset == f->next[place->partition]);
	f->rec[place->partition][f->next[place->partition]++] =
		(struct rec) { .id = b->id[i], .key_len = b->msg[i].key_len };
}

static void batch_fill(struct flow *f, struct batch *b)
{
	__u32 i;

	memset(b, 0, sizeof(*b));
	b->n = 1 + rng_below(&f->rng, 4);
	for (i = 0; i < b->n; i++) {
		b->id[i] = ++f->ids;
		memcpy(b->value[i], &b->id[i], 8);
		b->msg[i].value = (uintptr_t)b->value[i];
		b->msg[i].value_len = 8 + rng_below(&f->rng, 400);
		b->msg[i].partition = rng_below(&f->rng, f->parts);
		if (rng_once(&f->rng, 2)) {
			b->msg[i].key = (uintptr_t)"abcd";
			b->msg[i].key_len = 1 + rng_below(&f->rng, 3);
		}
	}
}

static bool room(const struct flow *f)
{
	return f->next[0] < MOST - 8 && f->next[PARTS - 1] < MOST - 8;
}

/* What records were refused for is told, and can be */
static void told_why(struct flow *f)
{
	struct mqbus_geometry geo = { 0 };

	CHECK(!call(f, f->producer, MQBUS_IOC_GEOMETRY, &geo));
	switch (geo.why) {
	case MQBUS_WHY_FULL:
		break;
	case MQBUS_WHY_RATE:
		CHECK(f->rated);
		break;
	/* A flow has one producer and no shares */
	case MQBUS_WHY_NONE:
	case MQBUS_WHY_SHARE:
	case MQBUS_WHY_TURN:
	default:
		CHECK(false);
	}
}

static void op_publish(struct flow *f)
{
	struct batch b;
	struct mqbus_publish p = {
		.msgs = (uintptr_t)b.msg, .msg_size = sizeof(b.msg[0]),
		.places = (uintptr_t)b.place, .place_size = sizeof(b.place[0]),
	};
	__u32 i;
	int err;

	batch_fill(f, &b);
	p.count = b.n;
	/* the last record is too large: those before it are stored */
	if (rng_once(&f->rng, 10))
		b.msg[b.n - 1].value_len = 513;
	err = call(f, f->producer, MQBUS_IOC_PUBLISH, &p);
	CHECK(!err || err == -EAGAIN || err == -ENOBUFS || err == -EMSGSIZE ||
	      (f->rated && err == -EXFULL));
	if (err == -EAGAIN || err == -ENOBUFS || err == -EXFULL)
		told_why(f);
	for (i = 0; !err && i < p.published; i++)
		stored(f, &b, i);
}

static void over(struct flow *f, struct rec *r, bool letter)
{
	r->state = letter && f->dlq ? LETTER : OVER;
	f->dead += r->state == LETTER;
	f->discarded += r->state == OVER;
}

static void failed(struct flow *f, struct rec *r)
{
	r->failures++;
	r->state = READY;
	if (f->once)
		over(f, r, false);
	else if (f->limit && r->failures >= f->limit)
		over(f, r, true);
}

static struct rec *rec_of(struct flow *f, const struct mqbus_leased *l)
{
	CHECK(l->partition < f->parts && l->offset < f->next[l->partition]);
	return &f->rec[l->partition][l->offset];
}

static void settled(struct flow *f, const struct mqbus_leased *l, __u32 what)
{
	struct rec *r = rec_of(f, l);

	if (what == MQBUS_ACK) {
		r->state = OVER;
		f->acked++;
	} else if (what == MQBUS_NACK) {
		failed(f, r);
	} else if (what == MQBUS_REJECT) {
		over(f, r, true);
	} else if (f->once) {
		over(f, r, false);
	} else {
		r->state = READY;
	}
}

/* Records of a transaction are published exactly if its settlements are done */
static void op_transact(struct flow *f)
{
	struct figures before;
	struct mqbus_settle s = { .what = rng_once(&f->rng, 3) ? MQBUS_REJECT : MQBUS_ACK };
	struct batch b;
	struct mqbus_act act[3] = {
		{ .fd = f->producer, .kind = MQBUS_ACT_PUBLISH, .elements = (uintptr_t)b.msg,
		  .size = sizeof(b.msg[0]), .places = (uintptr_t)b.place,
		  .place_size = sizeof(b.place[0]) },
		{ .fd = f->queue, .kind = MQBUS_ACT_SETTLE, .elements = (uintptr_t)&s,
		  .size = sizeof(s), .count = 1 },
		{ .fd = f->stopped, .kind = MQBUS_ACT_PUBLISH, .elements = (uintptr_t)b.msg,
		  .size = sizeof(b.msg[0]), .count = 1 },
	};
	bool stopped = rng_once(&f->rng, 4);
	struct mqbus_transact t = { .acts = (uintptr_t)act, .act_size = sizeof(act[0]) };
	__u32 i, which = rng_below(&f->rng, f->nr_held ?: 1);
	int err;

	batch_fill(f, &b);
	act[0].count = b.n;
	t.count = 1 + !!f->nr_held;
	s.lease = f->held[which].lease;
	/* a lease that cannot be settled */
	if (f->nr_held && rng_once(&f->rng, 3))
		s.lease += 1ULL << 40;
	else if (rng_once(&f->rng, 6))
		b.msg[b.n - 1].value_len = 513;
	/* a record without room, while others have room */
	if (stopped) {
		act[t.count++] = act[2];
		b.msg[0].partition = 0;
	}
	figures_get(f, &before);
	err = call(f, f->producer, MQBUS_IOC_TRANSACT, &t);
	CHECK(err || !stopped);
	if (err) {
		figures_check(f, &before);
		return;
	}
	for (i = 0; i < b.n; i++)
		stored(f, &b, i);
	if (t.count == 2) {
		settled(f, &f->held[which], s.what);
		f->held[which] = f->held[--f->nr_held];
	}
}

static void see_range(struct flow *f, const struct mqbus_range *r)
{
	__u64 pos = r->begin, offset;

	CHECK(r->partition < f->parts && r->end_offset <= f->next[r->partition]);
	CHECK(r->begin_offset == f->fetched[r->partition] + r->lost);
	CHECK(!r->lost || f->full == MQBUS_FULL_EVICT);
	for (offset = r->begin_offset; offset < r->end_offset; offset++) {
		const struct mqbus_record *rec =
			(const void *)(f->map[r->partition] + f->data + (pos & (f->ring - 1)));

		CHECK(rec->offset == offset);
		CHECK(!memcmp(rec + 1, &f->rec[r->partition][offset].id, 8));
		pos += rec->size;
	}
	CHECK(pos == r->end);
	f->fetched[r->partition] = r->end_offset;
}

static bool op_fetch(struct flow *f)
{
	struct mqbus_range r[PARTS];
	struct mqbus_fetch fetch = { .nr_ranges = PARTS, .ranges = (uintptr_t)r,
				     .range_size = sizeof(r[0]) };
	bool bad = rng_once(&f->rng, 8);
	__u32 i;
	int err;

	if (bad)
		fetch.ranges = 4096;
	err = call(f, f->stream, MQBUS_IOC_FETCH, &fetch);
	CHECK(!err || err == -EAGAIN || (bad && err == -EFAULT));
	for (i = 0; !err && i < fetch.nr_ranges; i++)
		see_range(f, &r[i]);
	return !err;
}

static void op_commit(struct flow *f)
{
	struct mqbus_commit c = { .flags = MQBUS_COMMIT_F_FETCHED };

	CHECK(!call(f, f->stream, MQBUS_IOC_COMMIT, &c));
	memcpy(f->committed, f->fetched, sizeof(f->fetched));
}

/* Another member goes on behind the last commit */
static void op_rejoin(struct flow *f)
{
	flow_unmap(f);
	close(f->stream);
	f->stream = flow_member(f, "t0", "g0");
	flow_map(f);
	memcpy(f->fetched, f->committed, sizeof(f->fetched));
}

static bool in_turn(struct flow *f, const struct mqbus_leased *l)
{
	const struct rec *r = f->rec[l->partition];
	__u64 i;

	for (i = 0; i < l->offset; i++)
		if (r[i].key_len && r[i].key_len == r[l->offset].key_len && r[i].state < OVER)
			return false;
	return true;
}

static void leased(struct flow *f, const struct mqbus_leased *l)
{
	struct rec *r = rec_of(f, l);

	CHECK(r->state == READY);
	CHECK(l->attempt == r->failures + 1);
	/* A record comes once all earlier ones of its key have ended */
	CHECK(!f->in_turn || f->once || in_turn(f, l));
	r->state = LEASED;
	f->delivered++;
}

static bool op_lease(struct flow *f)
{
	struct mqbus_leased got[HOLD];
	struct mqbus_lease l = { .leases = (uintptr_t)got, .lease_size = sizeof(got[0]) };
	bool bad = rng_once(&f->rng, 8);
	__u32 i;
	int err;

	l.nr_leases = 1 + rng_below(&f->rng, 4);
	if (!f->has_queue || f->nr_held + l.nr_leases > HOLD)
		return false;
	if (bad)
		l.leases = 4096;
	err = call(f, f->queue, MQBUS_IOC_LEASE, &l);
	CHECK(!err || err == -EAGAIN || (bad && err == -EFAULT));
	for (i = 0; !err && i < l.nr_leases; i++) {
		leased(f, &got[i]);
		f->held[f->nr_held++] = got[i];
	}
	return !err;
}

static __u64 expired(void)
{
	__u64 g[MQBUS_A_GROUP_MAX + 1], q[MQBUS_A_QUEUE_MAX + 1] = { 0 };

	CHECK(!netlink_numbers(MQBUS_CMD_GROUP_GET, "t0", "g1", 0, g, MQBUS_A_GROUP_MAX, q,
			       MQBUS_A_QUEUE_MAX));
	return q[MQBUS_A_QUEUE_EXPIRED];
}

/* Leases expire: each record has failed once more, and cannot be settled */
static void op_expire(struct flow *f)
{
	struct mqbus_leased got[2];
	struct mqbus_settle s = { 0 };
	struct mqbus_lease settle = { .settles = (uintptr_t)&s, .settle_size = sizeof(s),
				      .nr_settles = 1 };
	struct mqbus_lease l = { .leases = (uintptr_t)got, .lease_size = sizeof(got[0]),
				 .nr_leases = 2, .time = 100000 };
	unsigned int tries = 5000;
	__u64 before;
	__u32 i;
	int err;

	if (!f->has_queue)
		return;
	before = expired();
	if (call(f, f->queue, MQBUS_IOC_LEASE, &l))
		return;
	while (expired() < before + l.nr_leases && tries--)
		usleep(1000);
	CHECK(expired() == before + l.nr_leases);
	for (i = 0; i < l.nr_leases; i++) {
		leased(f, &got[i]);
		s.lease = got[i].lease;
		err = call(f, f->queue, MQBUS_IOC_LEASE, &settle);
		CHECK(err == -ETIMEDOUT || err == -ESTALE);
		s.error = 0;
	}
	for (i = 0; i < l.nr_leases; i++)
		failed(f, rec_of(f, &got[i]));
}

static void op_settle(struct flow *f, bool ack)
{
	struct mqbus_settle s = { 0 };
	struct mqbus_lease l = { .settles = (uintptr_t)&s, .settle_size = sizeof(s),
				 .nr_settles = 1 };
	__u32 which;

	if (!f->nr_held)
		return;
	which = rng_below(&f->rng, f->nr_held);
	s.lease = f->held[which].lease;
	s.what = ack ? MQBUS_ACK : rng_below(&f->rng, MQBUS_EXTEND);
	CHECK(!call(f, f->queue, MQBUS_IOC_LEASE, &l));
	CHECK(l.settled == 1);
	settled(f, &f->held[which], s.what);
	f->held[which] = f->held[--f->nr_held];
}

/* A member leaves: the records that it held have failed once more */
static void op_die(struct flow *f)
{
	if (!f->has_queue)
		return;
	close(f->queue);
	while (f->nr_held)
		failed(f, rec_of(f, &f->held[--f->nr_held]));
	f->queue = flow_member(f, "t0", "g1");
}

static void op_letters(struct flow *f)
{
	struct mqbus_range r;
	struct mqbus_fetch fetch = { .nr_ranges = 1, .ranges = (uintptr_t)&r,
				     .range_size = sizeof(r), .flags = MQBUS_FETCH_F_COMMIT };

	while (!call(f, f->letters, MQBUS_IOC_FETCH, &fetch)) {
		f->letters_got += r.end_offset - r.begin_offset;
		fetch.nr_ranges = 1;
	}
}

static void op_any(struct flow *f)
{
	switch (rng_below(&f->rng, 13)) {
	case 0:
	case 1:
	case 2:
		if (room(f))
			op_publish(f);
		break;
	case 3:
		if (room(f))
			op_transact(f);
		break;
	case 4:
		op_fetch(f);
		break;
	case 5:
		op_commit(f);
		break;
	case 6:
		if (rng_once(&f->rng, 4))
			op_rejoin(f);
		else if (rng_once(&f->rng, 4))
			op_die(f);
		else if (rng_once(&f->rng, 4))
			op_expire(f);
		break;
	case 12:
		op_poll(f);
		break;
	case 7:
	case 8:
	case 9:
		op_lease(f);
		break;
	case 10:
		op_settle(f, false);
		break;
	default:
		if (rng_once(&f->rng, 4))
			op_letters(f);
		break;
	}
}

/* Nothing is left, and the counters match the flow's */
static void check_end(struct flow *f)
{
	__u64 g[MQBUS_A_GROUP_MAX + 1], q[MQBUS_A_QUEUE_MAX + 1] = { 0 };
	__u64 offset;
	__u32 i;

	for (i = 0; i < f->parts; i++) {
		CHECK(f->fetched[i] == f->next[i]);
		for (offset = 0; f->has_queue && offset < f->next[i]; offset++)
			CHECK(f->rec[i][offset].state >= OVER);
	}
	if (!f->has_queue)
		return;
	CHECK(f->letters_got == f->dead);
	CHECK(!netlink_numbers(MQBUS_CMD_GROUP_GET, "t0", "g1", 0, g, MQBUS_A_GROUP_MAX, q,
			       MQBUS_A_QUEUE_MAX));
	CHECK(!g[MQBUS_A_GROUP_LAG]);
	CHECK(q[MQBUS_A_QUEUE_DELIVERED] == f->delivered);
	CHECK(q[MQBUS_A_QUEUE_ACKED] == f->acked);
	CHECK(q[MQBUS_A_QUEUE_DEAD_LETTERED] == f->dead);
	CHECK(q[MQBUS_A_QUEUE_DISCARDED] == f->discarded);
	CHECK(!q[MQBUS_A_QUEUE_LEASED] && !q[MQBUS_A_QUEUE_INFLIGHT] &&
	      !q[MQBUS_A_QUEUE_RETRYING] && !q[MQBUS_A_QUEUE_HELD]);
}

static void drain(struct flow *f)
{
	unsigned int idle = 0;

	/* Late records, such as dead letters without room, come within these turns */
	while (idle < 60) {
		bool got = op_fetch(f);

		op_commit(f);
		got |= op_lease(f);
		while (f->nr_held)
			op_settle(f, true);
		op_letters(f);
		idle = got ? 0 : idle + 1;
		if (idle > 20)
			usleep(1000);
	}
}

unsigned int oracle(__u64 seed)
{
	static struct flow f;
	unsigned int i;

	memset(&f, 0, sizeof(f));
	rng_seed(&f.rng, seed);
	flow_make(&f);
	for (i = 0; i < STEPS; i++)
		op_any(&f);
	drain(&f);
	check_end(&f);
	flow_unmake(&f);
	return f.calls;
}
