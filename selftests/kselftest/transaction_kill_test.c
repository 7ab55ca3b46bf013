// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions under stress: processes that are killed at random take tickets from a queue and
 * publish each to four topics, in different orders, with rings so small that they often wait.
 * Readers always check whether a transaction's records are in one topic and not in another; at
 * the end each ticket is in each topic once.
 *
 * A reader that has met a record in one topic expects the others of its transaction in all that
 * it reads to the end from then on: by fetching, or by the mappings alone.
 *
 * LINES_COUNT=N tickets, KILL_COUNT=N kills; KILL_SEED=N repeats the random choices.
 */
#include "queue.h"
#include "stress.h"
#include "transact.h"

#define TOPICS		4
#define PARTS		2
#define MOVERS		5
#define READERS		2
#define BATCH		4		/* tickets of a transaction, at most */
#define LIVES_MAX	4096
#define WAITS		100		/* of writers, at least */
#define NOT_TO_BE	(~0U)		/* on a ticket of a transaction that must fail */

enum { HALF_SEEN, SEEN_TWICE, SEEN_FAILED, NO_TICKET, MISSING, CALL_FAILED, SEQUENCE, KINDS };

static const char * const kinds[KINDS] = {
	"in one topic, and not yet in another",
	"twice in a topic",
	"of a transaction that failed",
	"no such ticket",
	"not in a topic at the end",
	"a call failed",
	"a gap in a producer's numbers",
};

struct value {
	__u32 life;
	__u32 n;
	__u32 ids[BATCH];	/* all of the transaction */
	__u32 id;
	__u32 pad;
};

struct atomic {
	bool done;
	__u32 count;
	struct wrong wrong[KINDS];
	__u64 moved;		/* transactions that succeeded, as seen by their callers */
	__u64 waited;		/* transactions that would have had to wait, or gave up waiting */
	__u64 refused;
	__u64 reads;
	__u64 expected;		/* tickets that a reader met in one topic before another */
	char topic[TOPICS][MQBUS_NAME_SIZE];
	char tickets[MQBUS_NAME_SIZE];
};

/* A life of a process that moves */
struct mover {
	struct atomic *s;
	__u32 life;
	__u64 random;
	int ctl;
	int out[TOPICS];
	struct worker worker;
	struct mqbus_leased leased[BATCH];
	__u32 n;
	struct value values[BATCH];
	char keys[BATCH][16];
	struct mqbus_msg msgs[BATCH];
	struct mqbus_settle settles[BATCH + 1];
	struct mqbus_act acts[TOPICS + 1];
};

/* Fill in the acts: the first kind goes up, the second down, the others at random. */
static void arrange(struct mover *m, int kind)
{
	struct mqbus_act act;
	int i, k;

	for (i = 0; i < TOPICS; i++)
		m->acts[i] = act_publish(m->out[i], m->msgs, m->n);
	m->acts[TOPICS] = act_settle(m->worker.fd, m->settles, m->n);
	for (i = TOPICS; i > 0; i--) {
		k = kind == 0 ? i : kind == 1 ? (i > TOPICS / 2 ? TOPICS - i : i) :
						draw(&m->random, i + 1);
		act = m->acts[i];
		m->acts[i] = m->acts[k];
		m->acts[k] = act;
	}
}

static void write_down(struct mover *m, bool fails)
{
	__u32 i, k;

	for (i = 0; i < m->n; i++) {
		struct value *v = &m->values[i];

		*v = (struct value) { .life = m->life, .n = m->n };
		for (k = 0; k < m->n; k++)
			v->ids[k] = leased_number(&m->worker, &m->leased[k]);
		v->id = fails ? NOT_TO_BE : v->ids[i];
		m->msgs[i] = mq_msg(v, sizeof(*v));
		m->msgs[i].key = (uintptr_t)m->keys[i];
		m->msgs[i].key_len = snprintf(m->keys[i], sizeof(m->keys[i]), "%u", v->ids[i]);
		m->settles[i] = (struct mqbus_settle) { .lease = m->leased[i].lease };
	}
}

/* All is valid except the last element, a lease that was not given. */
static void fail(struct mover *m)
{
	int err;

	write_down(m, true);
	m->settles[m->n] = (struct mqbus_settle) { .lease = 1ULL << 60 };
	arrange(m, 0);
	m->acts[TOPICS].count++;
	err = mq_transact(m->ctl, m->acts, TOPICS + 1, 0, NULL);
	if (err == -ENOENT)
		add(&m->s->refused, 1);
	else
		wrong(&m->s->wrong[CALL_FAILED], m->life, -err);
}

static void move(struct mover *m, int kind)
{
	static const __u64 timeouts[] = { 0, MQ_MS / 4, 4 * MQ_MS, MQBUS_WAIT_FOREVER };
	int err;

	if (!draw(&m->random, 8))
		fail(m);
	write_down(m, false);
	for (;;) {
		__u64 timeout = timeouts[draw(&m->random, 4)];

		arrange(m, kind);
		err = mq_transact(m->ctl, m->acts, TOPICS + 1, timeout, NULL);
		if (!err)
			break;
		add(&m->s->waited, 1);
		if (err == (timeout ? -ETIMEDOUT : -EAGAIN) && timeout != MQBUS_WAIT_FOREVER)
			continue;
		wrong(&m->s->wrong[CALL_FAILED], m->life, -err);
		return;
	}
	add(&m->s->moved, 1);
}

static void live(struct atomic *s, int kind, __u32 life, __u64 seed)
{
	struct mover m = { .s = s, .life = life, .random = seed * 2 + 1 };
	int i, ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	m.ctl = mq_open(0);
	for (i = 0; i < TOPICS; i++)
		m.out[i] = mq_producer(s->topic[i], 0);
	ret = worker_open(&m.worker, s->tickets, "g", 0);
	while (!ret && !get(&s->done)) {
		ret = take(m.worker.fd, m.leased, 1 + draw(&m.random, BATCH), 20 * MQ_MS);
		if (ret > 0) {
			m.n = ret;
			move(&m, kind);
		}
		ret = ret > 0 || ret == -ETIMEDOUT ? 0 : ret;
	}
	if (ret)
		wrong(&s->wrong[CALL_FAILED], life, -ret);
}

/* A reader's knowledge */
struct reader {
	struct atomic *s;
	__u64 random;
	int fd[TOPICS];
	struct mq_map map[TOPICS][PARTS];
	__u64 pos[TOPICS][PARTS];
	__u8 *seen;			/* of each ticket: a bit for each topic */
	__u32 *expected[TOPICS];	/* tickets that the next read must have met */
	__u32 nr_expected[TOPICS];
	__u32 (*numbers)[TOPICS];	/* of each life: records in each topic */
	__u32 (*highest)[TOPICS];	/* and the highest sequence number */
};

static void meet(struct reader *r, int topic, const struct mqbus_record *rec)
{
	const struct value *v = (const void *)mq_value(rec);
	struct atomic *s = r->s;
	__u32 i;
	int t;

	if (v->id == NOT_TO_BE || v->n > BATCH) {
		wrong(&s->wrong[SEEN_FAILED], topic, v->life);
		return;
	}
	if (v->id >= s->count) {
		wrong(&s->wrong[NO_TICKET], topic, v->id);
		return;
	}
	if (r->seen[v->id] & 1 << topic)
		wrong(&s->wrong[SEEN_TWICE], topic, v->id);
	r->numbers[v->life][topic]++;
	if (r->highest[v->life][topic] < rec->seq)
		r->highest[v->life][topic] = rec->seq;
	r->seen[v->id] |= 1 << topic;
	for (i = 0; i < v->n; i++) {
		for (t = 0; t < TOPICS; t++) {
			if (r->seen[v->ids[i]] & 1 << t || r->nr_expected[t] == s->count * 4)
				continue;
			r->expected[t][r->nr_expected[t]++] = v->ids[i];
			add(&s->expected, 1);
		}
	}
}

static void walk(struct reader *r, int topic, __u32 part, __u64 end)
{
	while (r->pos[topic][part] < end) {
		const struct mqbus_record *rec = mq_record(&r->map[topic][part],
							   r->pos[topic][part]);

		meet(r, topic, rec);
		r->pos[topic][part] += rec->size;
	}
}

/* The end of a partition from the mapping: the words read before and after agree */
static __u64 mapped_end(const struct mqbus_ring_page *page)
{
	__u64 next, tail;

	do {
		next = get(&page->next_offset);
		tail = get(&page->tail);
	} while (next != get(&page->next_begun));
	return tail;
}

/* Read a topic to its end, by one way or the other; only fetching frees space. */
static void read_topic(struct reader *r, int topic, bool fetches)
{
	__u32 must = r->nr_expected[topic], i, *expected = r->expected[topic];
	struct mqbus_range ranges[PARTS];
	int ret, k;

	for (i = 0; i < PARTS && !fetches; i++)
		walk(r, topic, i, mapped_end(r->map[topic][i].page));
	if (fetches) {
		while ((ret = mq_fetch(r->fd[topic], ranges, PARTS, MQBUS_FETCH_F_COMMIT, 0)) > 0)
			for (k = 0; k < ret; k++)
				walk(r, topic, ranges[k].partition, ranges[k].end);
		if (ret != -EAGAIN)
			wrong(&r->s->wrong[CALL_FAILED], topic, -ret);
	}
	for (i = 0; i < must; i++)
		if (!(r->seen[expected[i]] & 1 << topic))
			wrong(&r->s->wrong[HALF_SEEN], topic, expected[i]);
	r->nr_expected[topic] -= must;
	memmove(expected, expected + must, r->nr_expected[topic] * sizeof(*expected));
	add(&r->s->reads, 1);
}

static void compare(struct reader *r)
{
	struct atomic *s = r->s;
	__u32 i, t;

	for (i = 0; i < s->count; i++)
		if (r->seen[i] != (1 << TOPICS) - 1)
			wrong(&s->wrong[MISSING], i, r->seen[i]);
	for (i = 0; i < LIVES_MAX; i++)
		for (t = 0; t < TOPICS; t++)
			if (r->numbers[i][t] != r->highest[i][t])
				wrong(&s->wrong[SEQUENCE], i, r->highest[i][t]);
}

/*
 * Read nothing until writers have had to wait: slow writers never would, as readers keep up.
 * The time is limited, as all writers may wait without a limit.
 */
static void hold_back(struct atomic *s)
{
	__u64 end = mq_clock(CLOCK_MONOTONIC) + 1000 * MQ_MS;

	while (get(&s->waited) < WAITS && !get(&s->done) &&
	       mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
}

static void watch(struct atomic *s, int index, __u64 seed)
{
	struct reader r = { .s = s, .random = seed * 2 + 1 };
	char group[MQBUS_NAME_SIZE];
	bool last;
	int t, p, err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(group, sizeof(group), "r%d", index);
	r.seen = calloc(s->count, 1);
	r.numbers = calloc(LIVES_MAX, sizeof(*r.numbers));
	r.highest = calloc(LIVES_MAX, sizeof(*r.highest));
	for (t = 0; t < TOPICS; t++) {
		r.expected[t] = calloc(s->count, 4 * sizeof(__u32));
		r.fd[t] = mq_member(s->topic[t], group, 0);
		for (p = 0; p < PARTS && !err; p++)
			err = mq_map(r.fd[t], p, &r.map[t][p]);
	}
	if (err)
		wrong(&s->wrong[CALL_FAILED], 0, -err);
	do {
		last = get(&s->done);
		if (index == 0)
			hold_back(s);
		for (p = 0; p < 4 * TOPICS; p++)
			read_topic(&r, draw(&r.random, TOPICS), draw(&r.random, 2));
		for (t = 0; t < TOPICS; t++)
			read_topic(&r, t, true);
		/* At times all writers wait for space */
		if (!last)
			mq_sleep(draw(&r.random, 2000) * 1000ULL);
	} while (!last);
	for (t = 0; t < TOPICS; t++)
		read_topic(&r, t, true);
	compare(&r);
}

FIXTURE(atomic) {
	int ctl;
	struct atomic *s;
	__u64 random;
	__u32 lives;
	pid_t mover[MOVERS];
	pid_t reader[READERS];
};

FIXTURE_SETUP(atomic)
{
	__u64 i;
	char group[MQBUS_NAME_SIZE];
	int fd, t;

	self->random = setting("KILL_SEED", getpid());
	TH_LOG("KILL_SEED=%llu", self->random);
	self->random = self->random * 2 + 1;
	self->ctl = mq_open(0);
	self->s = mq_shared(sizeof(*self->s));
	ASSERT_NE(NULL, self->s);
	self->s->count = setting("LINES_COUNT", 100000) / 5;
	for (t = 0; t < TOPICS; t++) {
		mq_name(self->s->topic[t], "atomic");
		ASSERT_EQ(0, mq_create(self->ctl, self->s->topic[t], .partitions = PARTS,
				       .size = 4096));
		for (i = 0; i < READERS; i++) {
			snprintf(group, sizeof(group), "r%d", (int)i);
			ASSERT_EQ(0, mq_group(self->ctl, self->s->topic[t], group));
		}
	}
	mq_name(self->s->tickets, "tickets");
	ASSERT_EQ(0, mq_create(self->ctl, self->s->tickets, .size = 4 << 20));
	ASSERT_EQ(0, mq_queue(self->ctl, self->s->tickets, "g", NULL,
			      .max_inflight = MOVERS * BATCH));
	fd = mq_producer(self->s->tickets, 0);
	put_numbers(fd, 0, self->s->count);
	close(fd);
}

FIXTURE_TEARDOWN(atomic)
{
	int t;

	for (t = 0; t < TOPICS; t++)
		mq_delete(self->ctl, self->s->topic[t]);
	mq_delete(self->ctl, self->s->tickets);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
	munmap(self->s, sizeof(*self->s));
}

static void spawn(FIXTURE_DATA(atomic) *self, int i)
{
	__u32 life = ++self->lives;

	mq_fork(self->mover[i]) {
		live(self->s, i, life, self->random + life);
	}
}

/* Kill a process after each share of the tickets. Return: whether all tickets are done. */
static bool run(FIXTURE_DATA(atomic) *self, __u32 kills)
{
	struct atomic *s = self->s;
	__u64 acked = 0, now, next = 0, share = s->count / kills + 1, end = mq_patience();
	int i;

	while (acked != s->count) {
		now = figure(s->tickets, "g", MQBUS_A_QUEUE_ACKED);
		if (now != acked)
			end = mq_patience();
		acked = now;
		if (mq_clock(CLOCK_MONOTONIC) > end)
			return false;
		if (acked >= next && self->lives < LIVES_MAX - 1) {
			i = draw(&self->random, MOVERS);
			mq_kill(self->mover[i]);
			spawn(self, i);
			next = acked + 1 + draw(&self->random, 2 * share);
		}
		mq_sleep(MQ_MS / 2);
	}
	return true;
}

TEST_F_TIMEOUT(atomic, all_or_nothing, 1200)
{
	struct atomic *s = self->s;
	bool ended;
	int i;

	for (i = 0; i < READERS; i++) {
		mq_fork(self->reader[i]) {
			watch(s, i, self->random + i);
		}
	}
	for (i = 0; i < MOVERS; i++)
		spawn(self, i);
	ended = run(self, setting("KILL_COUNT", 200));
	EXPECT_TRUE(ended)
		TH_LOG("no progress any more");
	put(&s->done, true);
	for (i = 0; i < MOVERS; i++)
		EXPECT_EQ(0, mq_wait(self->mover[i]));
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(0, mq_wait(self->reader[i]));
	expect_none_wrong(_metadata, s->wrong, kinds, KINDS);
	TH_LOG("%u tickets by %llu transactions, %llu waits, %llu refused", s->count, s->moved,
	       s->waited, s->refused);
	TH_LOG("%u lives; %llu reads, %llu met early", self->lives, s->reads, s->expected);
	/* The test counts only if all of this happened */
	EXPECT_LE(WAITS, s->waited);
	EXPECT_LT(0, s->refused);
	EXPECT_LT(0, s->expected);
	EXPECT_LT(MOVERS, self->lives);
}

TEST_HARNESS_MAIN
