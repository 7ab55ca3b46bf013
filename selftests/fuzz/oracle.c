// SPDX-License-Identifier: GPL-2.0
/*
 * Flows whose outcome is known: one topic that a stream group and a queue group read, with
 * dead letters. Whatever was reported stored comes to each group, in order and once, until
 * it is settled; a call that fails changes nothing; at the end the figures are ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/mqbus_netlink.h>

#include "fuzz.h"

#define PARTS	2
#define MOST	2048	/* records of a partition */
#define HOLD	8
#define STEPS	150
#define CHECK(cond) do {						\
	if (!(cond))							\
		fault("%s:%d: %s", __FILE__, __LINE__, #cond);		\
} while (0)

enum state { READY, LEASED, OVER, LETTER };

struct rec {
	__u64 id;
	__u8 state;
	__u32 failures;
};

struct flow {
	struct rng rng;
	unsigned int calls;
	int ctl, producer, stream, queue, letters;
	__u32 parts, full, limit;
	bool has_queue, once, dlq;
	char *map[PARTS];
	size_t map_len;
	__u64 data, ring;
	struct rec rec[PARTS][MOST];
	__u64 next[PARTS], fetched[PARTS], committed[PARTS];
	struct mqbus_leased held[HOLD];
	__u32 nr_held;
	__u64 delivered, acked, dead, discarded, letters_got;
	__u64 ids;
};

static int call(struct flow *f, int fd, unsigned long cmd, void *args)
{
	f->calls++;
	steady_go_on();
	return ioctl(fd, cmd, args) ? -errno : 0;
}

static int endpoint(void)
{
	int fd = open("/dev/mqbus", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int member(struct flow *f, const char *topic, const char *group)
{
	struct mqbus_join j = { 0 };
	int fd = endpoint();

	strcpy(j.topic, topic);
	strcpy(j.group, group);
	CHECK(!call(f, fd, MQBUS_IOC_JOIN, &j));
	return fd;
}

static void map_rings(struct flow *f)
{
	struct mqbus_geometry g = { 0 };
	__u32 i;

	for (i = 0; i < f->parts; i++) {
		g = (struct mqbus_geometry) { .partition = i };
		CHECK(!call(f, f->stream, MQBUS_IOC_GEOMETRY, &g));
		f->map[i] = mmap(NULL, g.map_len, PROT_READ, MAP_SHARED, f->stream, g.map_offset);
		CHECK(f->map[i] != MAP_FAILED);
	}
	f->map_len = g.map_len;
	f->data = g.data_offset;
	f->ring = g.size;
}

static void unmap_rings(struct flow *f)
{
	__u32 i;

	for (i = 0; i < f->parts; i++)
		munmap(f->map[i], f->map_len);
}

static void make(struct flow *f)
{
	static const __u32 sizes[] = { 4096, 8192 };
	struct mqbus_topic_create t = { .mode = 0600, .uid = MQBUS_ANY, .gid = MQBUS_ANY };
	struct mqbus_group_create g = { .mode = 0600, .topic = "t0", .group = "g0" };
	struct mqbus_produce p = { .topic = "t0" };
	struct rng *rng = &f->rng;

	f->ctl = endpoint();
	f->parts = 1 + rng_below(rng, PARTS);
	f->full = rng_below(rng, 3);
	t.partitions = f->parts;
	t.full = f->full;
	t.size = sizes[rng_below(rng, 2)];
	t.max_record = 512;
	strcpy(t.name, "t0");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	t.partitions = 1;
	t.full = MQBUS_FULL_BLOCK;
	t.max_record = 0;
	strcpy(t.name, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
	strcpy(g.topic, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
	f->has_queue = f->full != MQBUS_FULL_EVICT;
	if (f->has_queue) {
		strcpy(g.topic, "t0");
		strcpy(g.group, "g1");
		g.type = MQBUS_GROUP_QUEUE;
		f->once = rng_once(rng, 4);
		g.queue.flags = (f->once ? MQBUS_QUEUE_F_AT_MOST_ONCE : 0) |
				(rng_once(rng, 3) ? MQBUS_QUEUE_F_KEY_EXCLUSIVE : 0);
		g.queue.max_inflight = 1 + rng_below(rng, HOLD);
		g.queue.retry_size = sizes[rng_below(rng, 2)];
		f->dlq = !rng_once(rng, 3);
		if (f->dlq)
			strcpy(g.queue.dlq, "t1");
		f->limit = f->dlq ? 1 + rng_below(rng, 3) : 0;
		g.queue.limit = f->dlq ? f->limit : MQBUS_ANY;
		CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
		f->queue = member(f, "t0", "g1");
	}
	f->producer = endpoint();
	CHECK(!call(f, f->producer, MQBUS_IOC_PRODUCE, &p));
	f->stream = member(f, "t0", "g0");
	f->letters = member(f, "t1", "g0");
	map_rings(f);
}

static void stored(struct flow *f, const struct mqbus_place *place, __u64 id)
{
	CHECK(place->partition < f->parts);
	CHECK(place->offset == f->next[place->partition]);
	f->rec[place->partition][f->next[place->partition]++] = (struct rec) { .id = id };
}

struct batch {
	__u64 id[4];
	char value[4][512];
	struct mqbus_msg msg[4];
	struct mqbus_place place[4];
	__u32 n;
};

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
	/* the last one is too large: those before it are stored */
	if (rng_once(&f->rng, 10))
		b.msg[b.n - 1].value_len = 513;
	err = call(f, f->producer, MQBUS_IOC_PUBLISH, &p);
	CHECK(!err || err == -EAGAIN || err == -ENOBUFS || err == -EMSGSIZE);
	for (i = 0; !err && i < p.published; i++)
		stored(f, &b.place[i], b.id[i]);
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

/* What a transaction publishes is there exactly if what it settles is settled */
static void op_transact(struct flow *f)
{
	__u64 before[MQBUS_A_PARTITION_MAX + 1], after[MQBUS_A_PARTITION_MAX + 1];
	struct mqbus_settle s = { .what = rng_once(&f->rng, 3) ? MQBUS_REJECT : MQBUS_ACK };
	struct batch b;
	struct mqbus_act act[2] = {
		{ .fd = f->producer, .kind = MQBUS_ACT_PUBLISH, .elements = (uintptr_t)b.msg,
		  .size = sizeof(b.msg[0]), .places = (uintptr_t)b.place,
		  .place_size = sizeof(b.place[0]) },
		{ .fd = f->queue, .kind = MQBUS_ACT_SETTLE, .elements = (uintptr_t)&s,
		  .size = sizeof(s), .count = 1 },
	};
	struct mqbus_transact t = { .acts = (uintptr_t)act, .act_size = sizeof(act[0]) };
	__u32 i, which = rng_below(&f->rng, f->nr_held ?: 1);
	int err;

	batch_fill(f, &b);
	act[0].count = b.n;
	t.count = 1 + !!f->nr_held;
	s.lease = f->held[which].lease;
	/* one that cannot be settled */
	if (f->nr_held && rng_once(&f->rng, 3))
		s.lease += 1ULL << 40;
	else if (rng_once(&f->rng, 6))
		b.msg[b.n - 1].value_len = 513;
	netlink_numbers(MQBUS_CMD_PARTITION_GET, "t0", NULL, 0, before, MQBUS_A_PARTITION_MAX,
			NULL, 0);
	err = call(f, f->producer, MQBUS_IOC_TRANSACT, &t);
	netlink_numbers(MQBUS_CMD_PARTITION_GET, "t0", NULL, 0, after, MQBUS_A_PARTITION_MAX,
			NULL, 0);
	if (err) {
		CHECK(before[MQBUS_A_PARTITION_NEXT_OFFSET] ==
		      after[MQBUS_A_PARTITION_NEXT_OFFSET]);
		CHECK(before[MQBUS_A_PARTITION_EVICTED] == after[MQBUS_A_PARTITION_EVICTED]);
		return;
	}
	for (i = 0; i < b.n; i++)
		stored(f, &b.place[i], b.id[i]);
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

/* Another member goes on behind what was committed */
static void op_rejoin(struct flow *f)
{
	unmap_rings(f);
	close(f->stream);
	f->stream = member(f, "t0", "g0");
	map_rings(f);
	memcpy(f->fetched, f->committed, sizeof(f->fetched));
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
		struct rec *r = rec_of(f, &got[i]);

		CHECK(r->state == READY);
		CHECK(got[i].attempt == r->failures + 1);
		r->state = LEASED;
		f->held[f->nr_held++] = got[i];
		f->delivered++;
	}
	return !err;
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

/* A member goes, and with it what it held has failed once more */
static void op_die(struct flow *f)
{
	if (!f->has_queue)
		return;
	close(f->queue);
	while (f->nr_held)
		failed(f, rec_of(f, &f->held[--f->nr_held]));
	f->queue = member(f, "t0", "g1");
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
	switch (rng_below(&f->rng, 12)) {
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

/* Nothing is left anywhere, and what became of each record is counted as we did */
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

	/* What comes late, as dead letters that had no room, comes within these turns */
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

static void unmake(struct flow *f)
{
	struct mqbus_topic_delete d = { .name = "t0" };

	unmap_rings(f);
	close(f->stream);
	close(f->letters);
	close(f->producer);
	if (f->has_queue)
		close(f->queue);
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	strcpy(d.name, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	close(f->ctl);
	clean_check();
}

unsigned int oracle(__u64 seed)
{
	static struct flow f;
	unsigned int i;

	memset(&f, 0, sizeof(f));
	rng_seed(&f.rng, seed);
	make(&f);
	for (i = 0; i < STEPS; i++)
		op_any(&f);
	drain(&f);
	check_end(&f);
	unmake(&f);
	return f.calls;
}
