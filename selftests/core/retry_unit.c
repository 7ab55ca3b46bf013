// SPDX-License-Identifier: GPL-2.0
/*
 * The retry ring and waiting dead letters, step by step.
 */
#include "step.h"

static void check_dead(u32 i, enum mqbus_reason reason, u32 failures)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(&g.w, i);

	CHECK(e->state == MQBUS_ENTRY_DEAD && e->reason == reason && e->failures == failures);
	CHECK(e->pid == 101 && e->uid == 201 && e->first == 5000 && e->time == 6000);
}

static void test_dead(void)
{
	static const enum mqbus_reason reasons[] = {
		MQBUS_REASON_REJECTED, MQBUS_REASON_NACK, MQBUS_REASON_EXPIRED, MQBUS_REASON_DIED,
	};
	u32 i, k;

	begin("dead letters: why, who, when", &usual);
	g.w.conf.max_attempts = 2;
	g.w.conf.dlq = true;
	publish(0, 4, 0);
	CHECK(take(0, 4) == 4);
	/* The first failure */
	CHECK(!settle(0, out[0].lease, MQBUS_RELEASE));
	CHECK(!mqbus_inflight_leave(&g.w, &holders[0], 9, &now) && !g.w.nr_dead);
	CHECK(g.w.stats.died == 3 && !g.w.stats.deaths);
	now.real = 6000;
	CHECK(take(1, 4) == 4 && out[0].offset == 0 && out[3].offset == 3 && out[3].attempt == 2);
	CHECK(!settle(1, out[0].lease, MQBUS_REJECT) && !settle(1, out[1].lease, MQBUS_NACK));
	CHECK(!settle_delay(1, out[2].lease, MQBUS_EXTEND, 5));
	now.mono += 5;
	CHECK(!tick(9));
	CHECK(!mqbus_inflight_leave(&g.w, &holders[1], 9, &now) && g.w.nr_dead == 4);
	CHECK(mqbus_inflight_due(&g.w) == U64_MAX && g.w.nr == 4 && !g.w.leased);
	for (k = 0, i = g.w.dead.first; k < 4; k++) {
		check_dead(i, reasons[k], k ? 2 : 0);
		i = mqbus_inflight_entry(&g.w, i)->list.next;
	}
	CHECK(i == MQBUS_NONE);

	/* The DLQ is full: they make room and stay in order, and can be found again */
	CHECK(!group_unlock(&g, true) && !group_unlock(&g, true));
	for (k = 0, i = g.w.dead.first; k < 4; k++) {
		CHECK(g.w.letter == i);
		mqbus_inflight_unburied(&g.w, i);
		check_dead(i, reasons[k], k ? 2 : 0);
		i = mqbus_inflight_entry(&g.w, i)->list.next;
	}
	CHECK(!g.w.nr && g.w.retrying == 4 && g.w.nr_dead == 4);
	CHECK(floor_of(0) == g.cursors[0].given.pos && g.w.letter == MQBUS_NONE);
	mqbus_inflight_rebury(&g.w);
	for (k = 0; k < 4; k++) {
		i = g.w.letter;
		CHECK(i == g.w.dead.first);
		CHECK(group_whole(mqbus_inflight_record(&g.w, i), 0, k, SMALL + 8, 0));
		mqbus_inflight_buried(&g.w, i);
	}
	CHECK(g.w.stats.buried == 4 && !g.w.nr_dead && !g.w.retrying && !g.w.table.used);
	CHECK(!g.w.retry_live && mqbus_list_empty(&g.source[1].order));

	/* Without a DLQ they are dropped */
	g.w.conf.dlq = false;
	publish(0, 1, 0);
	take_one(1);
	CHECK(!settle(1, out[0].lease, MQBUS_REJECT) && g.w.stats.discarded == 1);
	CHECK(!g.w.table.used && !g.w.nr_dead);
	end();
}

static void test_retry_full(void)
{
	struct group_options o = usual;
	u32 n, i;

	o.retry_size = 4096;
	begin("retry ring: full to the margin, and by number", &o);
	for (n = 0; n < 6; n++)
		CHECK(retry_one(512, SECOND));
	CHECK(g.w.retry_live == 3072 && !retry_one(520, SECOND));
	/* A smaller record does not overtake */
	CHECK(!retry_one(512, SECOND) && !retry_one(64, SECOND) && g.w.retrying == 6);
	CHECK(g.w.nr == 3 && g.source[0].aside == 9);
	group_scribble(&g);
	now.mono += SECOND;
	CHECK(!tick(99) && take(0, 99) == 9 && mqbus_list_empty(&g.w.stay));
	/* In turn, while there are both */
	for (i = 0; i < 3; i++) {
		CHECK(out[2 * i].offset == 6 + i && out[2 * i].ring == 0);
		CHECK(out[2 * i + 1].offset == i && out[2 * i + 1].ring == MQBUS_RETRY);
		CHECK(out[6 + i].offset == 3 + i && out[6 + i].ring == MQBUS_RETRY);
	}
	CHECK(g.w.nr == 9 && g.source[0].aside == 6);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 9);

	g.w.max_retry = 1;
	CHECK(retry_one(64, SECOND) && !retry_one(64, SECOND));
	end();
}

/*
 * A record that a member reads is not moved, and not in the way: the others go round it,
 * however long it is leased.
 */
static void check_leased(u32 nr, u32 size, u32 bytes)
{
	struct group_options o = usual;
	u64 leases[4], pos[4];
	u32 i, k;

	o.retry_size = 4096;
	group_begin(&o);
	for (i = 0; i < nr; i++) {
		CHECK(retry_one(size, 1));
		/* With a record in front of each that will be gone */
		CHECK(retry_one(bytes, 1));
		now.mono++;
		CHECK(!tick(2) && take(1, 1) == 1 && out[0].ring == MQBUS_RETRY);
		leases[i] = out[0].lease;
		pos[i] = out[0].pos;
		CHECK(take(0, 1) == 1 && !settle(0, out[0].lease, MQBUS_ACK));
	}
	for (k = 0; k < 300; k++) {
		CHECK(retry_one(bytes, 1) && g.w.retrying == nr + 1);
		group_scribble(&g);
		now.mono++;
		CHECK(!tick(1) && take(0, 1) == 1 && out[0].ring == MQBUS_RETRY);
		CHECK(group_whole(mqbus_inflight_record(&g.w, (u32)out[0].lease), 0, out[0].offset,
				  bytes, 0));
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
		for (i = 0; i < nr; i++) {
			CHECK(!((entry(leases[i])->pos - pos[i]) % o.retry_size));
			CHECK(group_whole(mqbus_inflight_record(&g.w, (u32)leases[i]), 0, 2 * i,
					  size, 0));
		}
	}
	CHECK(g.w.retry_live == nr * size && g.cursors[0].floor == g.cursors[0].given.pos);
	for (i = 0; i < nr; i++)
		CHECK(!settle(1, leases[i], MQBUS_ACK));
	CHECK(retry_one(512, SECOND));
	group_free(&g);
}

static void test_retry_leased(void)
{
	test_begin("retry ring: what is leased stays where it is, and stops nobody");
	check_leased(1, 512, 512);
	check_leased(1, SMALL, 512);
	check_leased(2, 512, SMALL + 8);
	check_leased(3, 256, 512);
	check_leased(4, 512, 256);
	test_end();
}

/* No room between leased records, until one of the leases ends */
static void test_retry_vain(void)
{
	struct group_options o = usual;
	u64 leases[8], at;
	u32 i;

	o.retry_size = 4096;
	begin("retry ring: a search that was in vain is begun again when it may find", &o);
	for (i = 0; i < 8; i++) {
		leases[i] = retry_leased(1, 72);
		CHECK(!settle(0, retry_leased(0, 440), MQBUS_ACK));
	}
	/* It would fit without those in between; the search takes two laps */
	CHECK(g.w.retry_live == 8 * 72 && !retry_one(512, SECOND));
	at = g.source[1].end;
	CHECK(at >= 2 * o.retry_size && at <= 5 * o.retry_size);
	for (i = 0; i < 9; i++)
		CHECK(!group_unlock(&g, false));
	CHECK(g.source[1].end == at && !mqbus_list_empty(&g.w.stay));
	for (i = 0; i < 8; i++)
		CHECK(group_whole(mqbus_inflight_record(&g.w, (u32)leases[i]), 0, 2 * i, 72, 0));
	CHECK(!settle_delay(1, leases[3], MQBUS_RELEASE, SECOND));
	CHECK(mqbus_list_empty(&g.w.stay) && g.w.retrying == 9);
	CHECK(floor_of(0) == g.cursors[0].given.pos);
	end();
}

/* A large record is not overtaken by small dead letters */
static void test_retry_turns(void)
{
	struct group_options o = usual;
	u32 i;

	o.retry_size = 4096;
	begin("retry ring: one after the other, dead letters last", &o);
	g.w.conf.dlq = true;
	for (i = 0; i < 6; i++)
		CHECK(retry_one(512, i ? SECOND : 1));
	CHECK(!retry_one(520, SECOND) && group_publish(&g, 0, 64, 0) && take(0, 1) == 1);
	CHECK(!settle(0, out[0].lease, MQBUS_REJECT) && !group_unlock(&g, true));
	CHECK(g.w.retrying == 6 && g.w.nr_dead == 1 && g.w.nr == 2);
	CHECK(!tick(1) && take(0, 1) == 1 && !settle(0, out[0].lease, MQBUS_ACK));
	CHECK(g.w.retrying == 6 && mqbus_list_empty(&g.w.stay) && g.w.nr == 1);
	CHECK(!group_unlock(&g, true) && g.w.retrying == 7 && !g.w.nr);
	end();
}

/* A record without room is moved as soon as there is room, though it would wait for a month */
static void test_retry_later(void)
{
	struct group_options o = usual;
	u64 lease;
	u32 n;

	o.retry_size = 4096;
	o.max_retry = 16;
	begin("retry ring: what found no room leaves its partition when there is", &o);
	publish(0, 17, 0);
	CHECK(take(0, 17) == 17);
	lease = out[0].lease;
	for (n = 1; n < 17; n++)
		CHECK(!settle_delay(0, out[n].lease, MQBUS_NACK, 1000));
	CHECK(!settle_delay(0, lease, MQBUS_RELEASE, MQBUS_DELAY_MAX));
	CHECK(g.w.retrying == 16 && floor_of(0) == 0 && g.w.nr == 1);
	now.mono += 1000;
	CHECK(!tick(99) && take(0, 1) == 1 && !settle(0, out[0].lease, MQBUS_ACK));
	CHECK(g.w.retrying == 16 && floor_of(0) == g.cursors[0].given.pos && !g.w.nr);
	CHECK(group_whole(mqbus_inflight_record(&g.w, (u32)lease), 0, 0, SMALL + 8, 0));
	CHECK(take(0, 99) == 15);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 15);
	/* So the flow goes on */
	for (n = 0; n < 1000; n++) {
		publish(0, 1, 0);
		take_one(0);
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	}
	CHECK(g.w.retrying == 1 && mqbus_inflight_due(&g.w) - now.mono > MQBUS_DELAY_MAX / 2);
	end();
}

/* A member with many leases dies while the DLQ is full */
static void test_dead_many(void)
{
	struct group_options o = usual;
	u32 i, holds;

	o.size = 1 << 18;
	o.retry_size = 1 << 18;
	o.max_inflight = 1024;
	o.max_retry = 1024;
	begin("dead letters: all that find no room leave the partition", &o);
	g.w.conf.dlq = true;
	g.w.conf.max_attempts = 1;
	publish(0, 1500, 0);
	CHECK(take(0, 1024) == 1024);
	while (mqbus_inflight_leave(&g.w, &holders[0], MQBUS_INFLIGHT_STEP, &now))
		mqbus_inflight_flush(&g.w);
	mqbus_inflight_flush(&g.w);
	CHECK(g.w.nr_dead == 1024 && g.w.nr == 1024 && !take(1, 9));
	holds = group_unlock(&g, true);
	CHECK(holds >= 3 && holds <= 5);
	CHECK(g.w.retrying == 1024 && !g.w.nr && floor_of(0) == g.cursors[0].given.pos);
	CHECK(take(1, 1024) == 476);
	/* They come back in order, and those that were tried are not tried again */
	for (i = 0; i < 1024; i += 2) {
		CHECK(mqbus_inflight_record(&g.w, g.w.letter)->offset == i);
		mqbus_inflight_unburied(&g.w, g.w.letter);
		CHECK(mqbus_inflight_record(&g.w, g.w.letter)->offset == i + 1);
		mqbus_inflight_buried(&g.w, g.w.letter);
	}
	CHECK(g.w.letter == MQBUS_NONE && g.w.nr_dead == 512);
	mqbus_inflight_rebury(&g.w);
	for (i = 0; i < 1024; i += 2) {
		CHECK(mqbus_inflight_record(&g.w, g.w.letter)->offset == i);
		mqbus_inflight_buried(&g.w, g.w.letter);
	}
	CHECK(g.w.stats.buried == 1024 && !g.w.retrying && g.w.stow == MQBUS_NONE);
	end();
}

#define LARGE	(MQBUS_RECORD_MAX - 1024)

/* Large records, every second one of which is settled: no room is contiguous */
static void test_retry_large(void)
{
	struct group_options o = usual;
	u32 i, n, nr = 60;
	u64 copied;

	o.size = 1 << 25;
	o.retry_size = 1 << 24;
	o.max_retry = 1024;
	o.max_inflight = 128;
	o.margin = LARGE;
	begin("retry ring: one hold copies so much, however many are moved", &o);
	g.w.conf.dlq = true;
	for (i = 0; i < nr; i++)
		retry_one(LARGE, i % 2 ? 1 : SECOND);
	CHECK(g.w.retrying == nr);
	now.mono += nr;
	CHECK(!tick(99) && take(0, 99) == nr / 2);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == nr / 2);
	group_unlock(&g, false);
	for (i = 0; i < 16; i++)
		CHECK(group_publish(&g, 0, LARGE, 0));
	CHECK(take(0, 16) == 16);
	for (i = 0; i < 16; i++)
		CHECK(!settle(0, out[i].lease, MQBUS_REJECT));
	for (n = 0, copied = g.w.copied; mqbus_inflight_postpone(&g.w); n++) {
		CHECK(g.w.copied - copied < MQBUS_INFLIGHT_HOLD + LARGE);
		mqbus_inflight_flush(&g.w);
		copied = g.w.copied;
	}
	CHECK(n >= 16 && g.w.retrying == nr / 2 + 16);
	/* Nor over several calls */
	for (i = 0; i < 8; i++)
		CHECK(group_publish(&g, 0, LARGE, 0));
	mqbus_inflight_flush(&g.w);
	CHECK(take(0, 8) == 8);
	for (copied = g.w.copied, i = 0; i < 8; i++) {
		struct mqbus_settle s = { .lease = out[i].lease, .what = MQBUS_NACK, .delay = 9 };

		CHECK(!mqbus_inflight_settle(&g.w, &holders[0], &s, &now));
	}
	CHECK(g.w.copied - copied < MQBUS_INFLIGHT_HOLD + LARGE);
	CHECK(group_unlock(&g, false) && mqbus_list_empty(&g.w.stay));
	end();
}

/*
 * Records that wait long, @waiting of @size bytes, while others fail and are retried: the
 * waiting ones are moved out of the way, so there is always room.
 */
static void long_run(u32 waiting, u32 size, u32 rounds)
{
	struct group_options o = usual;
	u32 i;
	u64 needed;

	o.retry_size = 16384;
	o.max_inflight = 128;
	o.max_retry = 256;
	group_make(&g, &o);
	CHECK(!mqbus_inflight_sit(&g.w, &holders[0]));
	for (i = 0; i < waiting; i++)
		CHECK(retry_one(size, MQBUS_DELAY_MAX));
	needed = g.w.copied;
	for (i = 0; i < rounds; i++) {
		u32 bytes = SMALL + i % 56 * 8;

		CHECK(retry_one(bytes, 1));
		needed += bytes;
		group_scribble(&g);
		CHECK(!tick(9) && take(0, 9) == 1);
		CHECK(out[0].attempt == 2 && out[0].ring == MQBUS_RETRY);
		CHECK(group_whole(mqbus_inflight_record(&g.w, out[0].lease), 0, out[0].offset,
				  bytes, 0));
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	}
	CHECK(!g.w.nr && g.w.retrying == waiting && g.w.copied > needed);
	test_note("%u wait with %u bytes: %llu bytes copied for each that comes", waiting,
		  waiting * size,
		  (unsigned long long)(g.w.copied - needed) / needed);
	/* They are all there still */
	now.mono += MQBUS_DELAY_MAX;
	CHECK(!tick(999) && take(0, 999) == min(waiting, 128U));
	for (i = 0; i < min(waiting, 128U); i++)
		CHECK(group_whole(mqbus_inflight_record(&g.w, out[i].lease), 0, out[i].offset,
				  size, 0));
	group_free(&g);
}

static void test_retry_long(void)
{
	test_begin("retry ring: what waits long does not stop others");
	long_run(1, SMALL, 3000);
	long_run(8, 512, 3000);
	long_run(16, 512, 3000);
	long_run(24, 512, 3000);
	long_run(120, SMALL, 3000);
	/* So many that there is hardly room for one more */
	long_run(28, 512, 3000);
	long_run(220, SMALL, 3000);
	test_end();
}

int main(void)
{
	test_init(10);
	test_dead();
	test_retry_full();
	test_retry_leased();
	test_retry_vain();
	test_retry_turns();
	test_retry_later();
	test_dead_many();
	test_retry_large();
	test_retry_long();
	return test_done();
}
