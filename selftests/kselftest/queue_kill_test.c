// SPDX-License-Identifier: GPL-2.0
/*
 * A queue group whose workers are killed at random, and nack and release at random. Each record
 * has a word in shared memory with its holder and the holder's next step, written before the
 * step. So a worker that gets a record knows whether that is correct: the holder before gave
 * the record back, or was killed.
 *
 * LINES_COUNT=N records and KILL_COUNT=N kills, for slow kernels; KILL_SEED=N repeats the
 * random choices.
 */
#include "queue.h"
#include "stress.h"

#define PROCS		8
#define KEYS		1000
#define BATCH		32
#define LIVES_MAX	65536
#define SAMPLES_MAX	65536
#define TICK		(50 * MQ_MS)

/* State of a record, beside the number of a worker's life */
enum {
	NOBODY,		/* not handed out yet */
	HELD,
	NACKING,
	RELEASING,
	ACKING,
	RETURNED,	/* nacked or released */
	ACKED,
};

#define WORD(life, state)	((life) << 3 | (state))
#define WORD_STATE(w)		((w) & 7)
#define WORD_LIFE(w)		((w) >> 3)

/* Kinds of failures; the test fails with the first of each */
enum { TWO_AT_A_TIME, AFTER_ACK, OUT_OF_ORDER, KEY_TWICE, SETTLE_FAILED, LEASE_FAILED, KINDS };

static const char * const kinds[KINDS] = {
	"handed out while a living worker has it",
	"handed out after it was acked",
	"not the next one of its key",
	"two records of one key at a time",
	"a settlement failed",
	"a lease failed",
};

struct stress {
	bool keyed;
	bool done;
	__u32 count;			/* records */
	__u32 allowed;			/* the producer may have published up to here */
	__u64 bad[KINDS];
	__u64 detail[KINDS][3];		/* of the first failure: number, word, other */
	__u64 received;
	__u64 first;			/* of these, the first time */
	__u64 meant[ACKED + 1];		/* settlements begun */
	__u64 noted[ACKED + 1];		/* settlements seen to be done */
	__u64 killed_at[LIVES_MAX];	/* ns; 0: the worker lives */
	__u64 samples[SAMPLES_MAX];	/* ns from a kill to the next delivery of its record */
	__u32 nr_samples;
	__u32 last[KEYS];		/* sequence number settled last, from 1 */
	__u32 key_word[KEYS];
	__u32 word[];
};

/* A worker's life */
struct life {
	struct stress *s;
	struct worker worker;
	__u32 id;
	__u64 random;
	struct mqbus_leased leased[BATCH];
	__u32 number[BATCH];
	int n;
};

static void complain(struct stress *s, int kind, __u64 number, __u64 word, __u64 other)
{
	if (add(&s->bad[kind], 1))
		return;
	s->detail[kind][0] = number;
	s->detail[kind][1] = word;
	s->detail[kind][2] = other;
}

/* A worker is marked before it is killed, so the mark may be early, never late */
static bool dead(const struct stress *s, __u32 word)
{
	return get(&s->killed_at[WORD_LIFE(word)]);
}

static void sample(struct stress *s, __u32 word)
{
	__u64 ns = mq_clock(CLOCK_MONOTONIC) - get(&s->killed_at[WORD_LIFE(word)]);
	__u32 i = add(&s->nr_samples, 1);

	if (i < SAMPLES_MAX)
		s->samples[i] = ns;
}

/* A key's records come one at a time and in order: number / KEYS counts them. */
static void receive_key(struct life *l, __u32 number, bool again)
{
	struct stress *s = l->s;
	__u32 key = number % KEYS, seq = number / KEYS + 1, last = get(&s->last[key]);
	__u32 old = __atomic_exchange_n(&s->key_word[key], WORD(l->id, HELD), __ATOMIC_ACQ_REL);

	if (WORD_STATE(old) == HELD && !dead(s, old))
		complain(s, KEY_TWICE, number, old, l->id);
	/* A killed worker may have noted an ack that it did not do */
	if (seq == last && again)
		put(&s->last[key], --last);
	if (seq != last + 1)
		complain(s, OUT_OF_ORDER, number, old, last);
}

static void receive(struct life *l, __u32 number)
{
	struct stress *s = l->s;
	__u32 old;

	if (number >= s->count) {
		complain(s, LEASE_FAILED, number, 0, 0);
		return;
	}
	old = __atomic_exchange_n(&s->word[number], WORD(l->id, HELD), __ATOMIC_ACQ_REL);
	add(&s->received, 1);
	switch (WORD_STATE(old)) {
	case NOBODY:
		add(&s->first, 1);
		break;
	case HELD:
	case ACKING:
		if (!dead(s, old))
			complain(s, TWO_AT_A_TIME, number, old, l->id);
		else if (WORD_STATE(old) == HELD)
			sample(s, old);
		break;
	case ACKED:
		complain(s, AFTER_ACK, number, old, l->id);
		break;
	}
	if (s->keyed)
		receive_key(l, number, WORD_STATE(old) != NOBODY);
}

/* Note the settlement of a record before it is done. */
static void intend(struct life *l, int i, struct mqbus_settle *settle)
{
	struct stress *s = l->s;
	__u32 number = l->number[i], dice = draw(&l->random, 100);
	__u32 state = dice < 3 ? NACKING : dice < 5 ? RELEASING : ACKING;

	settle->lease = l->leased[i].lease;
	settle->what = state == NACKING ? MQBUS_NACK : state == RELEASING ? MQBUS_RELEASE :
							MQBUS_ACK;
	settle->error = 0;
	settle->delay = 0;
	add(&s->meant[state], 1);
	if (s->keyed) {
		if (state == ACKING)
			put(&s->last[number % KEYS], number / KEYS + 1);
		put(&s->key_word[number % KEYS], WORD(l->id, state));
	}
	put(&s->word[number], WORD(l->id, state));
}

/* The settlement was done; another worker may have the record, and its word, by now. */
static void note(struct life *l, int i, const struct mqbus_settle *settle)
{
	__u32 state = settle->what == MQBUS_ACK ? ACKING :
		      settle->what == MQBUS_NACK ? NACKING : RELEASING;
	__u32 word = WORD(l->id, state);
	struct stress *s = l->s;

	if (settle->error)
		complain(s, SETTLE_FAILED, l->number[i], settle->error, settle->what);
	add(&s->noted[state], 1);
	__atomic_compare_exchange_n(&s->word[l->number[i]], &word,
				    WORD(l->id, state == ACKING ? ACKED : RETURNED), 0,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void shuffle(struct life *l)
{
	int i, k;

	for (i = l->n - 1; i > 0; i--) {
		struct mqbus_leased leased = l->leased[i];
		__u32 number = l->number[i];

		k = draw(&l->random, i + 1);
		l->leased[i] = l->leased[k];
		l->number[i] = l->number[k];
		l->leased[k] = leased;
		l->number[k] = number;
	}
}

/* Settle all leases in random order and lease more, in one call. */
static void turn(struct life *l)
{
	struct mqbus_leased leased[BATCH];
	struct mqbus_settle settles[BATCH];
	struct mqbus_lease args = {
		.settles = (uintptr_t)settles,
		.settle_size = sizeof(*settles),
		.nr_settles = l->n,
		.leases = (uintptr_t)leased,
		.lease_size = sizeof(*leased),
		.nr_leases = 1 + draw(&l->random, BATCH),
		.timeout = 20 * MQ_MS,
	};
	int i, err;

	shuffle(l);
	for (i = 0; i < l->n; i++)
		intend(l, i, &settles[i]);
	err = mq_ioctl(l->worker.fd, MQBUS_IOC_LEASE, &args);
	if (!err)
		err = -(int)args.error;
	for (i = 0; i < l->n; i++)
		note(l, i, &settles[i]);
	l->n = 0;
	if (err && err != -ETIMEDOUT)
		complain(l->s, LEASE_FAILED, l->id, -err, 0);
	if (err)
		return;
	l->n = args.nr_leases;
	memcpy(l->leased, leased, sizeof(leased));
	for (i = 0; i < l->n; i++) {
		l->number[i] = leased_number(&l->worker, &leased[i]);
		receive(l, l->number[i]);
	}
}

static void live(struct stress *s, const char *topic, __u32 id, __u64 seed)
{
	struct life l = { .s = s, .id = id, .random = seed * 2 + 1 };
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err = worker_open(&l.worker, topic, "g", 0);
	if (err)
		complain(s, LEASE_FAILED, id, -err, 1);
	while (!err && !(get(&s->done) && !l.n)) {
		turn(&l);
		/* A worker that holds records sleeps here, to be killed with them */
		if (l.n)
			mq_sleep(draw(&l.random, 4000) * 1000ULL);
	}
}

static void produce(struct stress *s, const char *topic)
{
	int fd = mq_producer(topic, 0), ret;
	struct mqbus_msg msgs[64];
	__u64 number[64];
	__u32 n = 0, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (n < s->count) {
		char key[16];

		for (i = 0; i < (s->keyed ? 1 : 64) && n + i < get(&s->allowed); i++) {
			number[i] = n + i;
			msgs[i] = mq_msg(&number[i], sizeof(number[i]));
			if (!s->keyed)
				continue;
			msgs[i].key = (uintptr_t)key;
			msgs[i].key_len = snprintf(key, sizeof(key), "%u", (n + i) % KEYS);
		}
		if (!i) {
			mq_sleep(MQ_MS);
			continue;
		}
		ret = mq_publish(fd, msgs, i, NULL, MQBUS_WAIT_FOREVER, NULL);
		if (ret < 0) {
			complain(s, LEASE_FAILED, n, -ret, 2);
			break;
		}
		n += ret;
	}
}

FIXTURE(stress) {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
	struct stress *s;
	__u64 random;
	__u32 kills;
	__u32 lives;
	pid_t pid[PROCS];
	__u32 life[PROCS];
};

FIXTURE_SETUP(stress)
{
	mq_name(self->topic, "stress");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	self->random = setting("KILL_SEED", getpid());
	TH_LOG("KILL_SEED=%llu", self->random);
	self->random = self->random * 2 + 1;
	self->kills = setting("KILL_COUNT", 200);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 4, .size = 262144));
}

FIXTURE_TEARDOWN(stress)
{
	mq_delete(self->ctl, self->topic);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

static void spawn(FIXTURE_DATA(stress) *self, int i)
{
	self->life[i] = ++self->lives;
	mq_fork(self->pid[i]) {
		live(self->s, self->topic, self->life[i], self->random + self->life[i]);
	}
}

static void kill_one(FIXTURE_DATA(stress) *self)
{
	int i = draw(&self->random, PROCS);

	put(&self->s->killed_at[self->life[i]], mq_clock(CLOCK_MONOTONIC));
	mq_kill(self->pid[i]);
	spawn(self, i);
}

/* Kill in the middle of the next records, however fast they are; else after a tick */
static void wait_for_middle(FIXTURE_DATA(stress) *self, __u32 share)
{
	__u64 tick = TICK * setting("MQ_SLOW", 1), begin = mq_clock(CLOCK_MONOTONIC);
	__u64 target = get(&self->s->first) + draw(&self->random, share);

	do
		mq_sleep(MQ_MS / 4);
	while (get(&self->s->first) < target && mq_clock(CLOCK_MONOTONIC) - begin < tick);
}

/*
 * Kill workers, with a share of the records published between two kills, until all is acked.
 * Return: number of kills, or -ETIMEDOUT.
 */
static int stress_run(FIXTURE_DATA(stress) *self)
{
	__u64 acked = 0, now, next, end = mq_patience();
	struct stress *s = self->s;
	__u32 share = s->count / self->kills + 1, kills = 0;
	int i;

	for (i = 0; i < PROCS; i++)
		spawn(self, i);
	while (acked != s->count) {
		next = (__u64)share * (kills + 1);
		put(&s->allowed, next < s->count ? next : s->count);
		wait_for_middle(self, share);
		/* Some time without a kill, so that the end can be reached */
		if (kills < 5 * self->kills && self->lives < LIVES_MAX - PROCS) {
			kill_one(self);
			kills++;
		}
		now = figure(self->topic, "g", MQBUS_A_QUEUE_ACKED);
		if (now != acked)
			end = mq_patience();
		acked = now;
		if (mq_clock(CLOCK_MONOTONIC) > end)
			return -ETIMEDOUT;
	}
	return kills;
}

static int by_size(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

static void tell_samples(struct __test_metadata *_metadata, struct stress *s)
{
	__u32 n = s->nr_samples < SAMPLES_MAX ? s->nr_samples : SAMPLES_MAX;

	if (!n)
		return;
	qsort(s->samples, n, sizeof(*s->samples), by_size);
	TH_LOG("from a kill to who gets the record then: p50 %llu us, p99 %llu us, of %u",
	       s->samples[n / 2] / 1000, s->samples[n - 1 - n / 100] / 1000, n);
}

/* The workers' counters and the group's agree. */
static void compare(struct __test_metadata *_metadata, FIXTURE_DATA(stress) *self, int kills)
{
	struct stress *s = self->s;
	const __u64 *f;
	struct figures figures;
	__u64 missing = 0;
	__u32 i;

	for (i = 0; i < KINDS; i++) {
		EXPECT_EQ(0, s->bad[i])
			TH_LOG("%s: %llu (%llx, %llx)", kinds[i], s->detail[i][0],
			       s->detail[i][1], s->detail[i][2]);
	}
	for (i = 0; i < s->count; i++)
		missing += WORD_STATE(s->word[i]) != ACKED && WORD_STATE(s->word[i]) != ACKING;
	EXPECT_EQ(0, missing);
	ASSERT_EQ(0, figures_get(self->topic, "g", &figures));
	f = figures.number;
	TH_LOG("%u records, %d kills: %llu delivered, %llu nacked, %llu released, %llu died (%llu)",
	       s->count, kills, f[MQBUS_A_QUEUE_DELIVERED], f[MQBUS_A_QUEUE_NACKED],
	       f[MQBUS_A_QUEUE_RELEASED], f[MQBUS_A_QUEUE_DIED], f[MQBUS_A_QUEUE_DEATHS]);
	EXPECT_EQ(s->count, f[MQBUS_A_QUEUE_ACKED]);
	EXPECT_EQ(f[MQBUS_A_QUEUE_DELIVERED], f[MQBUS_A_QUEUE_ACKED] + f[MQBUS_A_QUEUE_NACKED] +
		  f[MQBUS_A_QUEUE_RELEASED] + f[MQBUS_A_QUEUE_DIED]);
	EXPECT_EQ(f[MQBUS_A_QUEUE_REDELIVERED], f[MQBUS_A_QUEUE_DELIVERED] - s->count);
	EXPECT_EQ(0, f[MQBUS_A_QUEUE_REJECTED] + f[MQBUS_A_QUEUE_EXPIRED] +
		  f[MQBUS_A_QUEUE_DISCARDED] + f[MQBUS_A_QUEUE_DEAD_LETTERED]);
	EXPECT_EQ(0, f[MQBUS_A_QUEUE_LEASED] + f[MQBUS_A_QUEUE_INFLIGHT] +
		  f[MQBUS_A_QUEUE_HELD] + f[MQBUS_A_QUEUE_RETRYING]);
	/*
	 * A worker killed in the call may have settled, or been handed, records that it did not
	 * note
	 */
	EXPECT_LE(s->noted[ACKING], f[MQBUS_A_QUEUE_ACKED]);
	EXPECT_LE(s->noted[NACKING], f[MQBUS_A_QUEUE_NACKED]);
	EXPECT_GE(s->meant[NACKING], f[MQBUS_A_QUEUE_NACKED]);
	EXPECT_LE(s->noted[RELEASING], f[MQBUS_A_QUEUE_RELEASED]);
	EXPECT_GE(s->meant[RELEASING], f[MQBUS_A_QUEUE_RELEASED]);
	EXPECT_LE(s->received, f[MQBUS_A_QUEUE_DELIVERED]);
	EXPECT_GE(s->received + f[MQBUS_A_QUEUE_DIED], f[MQBUS_A_QUEUE_DELIVERED]);
	EXPECT_GE(kills, f[MQBUS_A_QUEUE_DEATHS]);
	EXPECT_LT(0, f[MQBUS_A_QUEUE_DEATHS]);
	EXPECT_LT(0, f[MQBUS_A_QUEUE_NACKED]);
}

static void stress(struct __test_metadata *_metadata, FIXTURE_DATA(stress) *self, __u32 count,
		   __u32 flags)
{
	struct stress *s = mq_shared(sizeof(*s) + count * sizeof(__u32));
	pid_t producer;
	int i, kills;

	ASSERT_NE(NULL, s);
	self->s = s;
	s->count = count;
	s->keyed = flags;
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL, .flags = flags,
			      .max_inflight = PROCS * BATCH, .backoff_min = MQ_MS,
			      .backoff_max = 8 * MQ_MS, .backoff_jitter = 50));
	mq_fork(producer) {
		produce(s, self->topic);
	}
	kills = stress_run(self);
	EXPECT_LE(0, kills);
	put(&s->done, true);
	if (kills < 0)
		mq_kill(producer);
	else
		EXPECT_EQ(0, mq_wait(producer));
	for (i = 0; i < PROCS; i++) {
		if (kills < 0)
			mq_kill(self->pid[i]);
		else
			EXPECT_EQ(0, mq_wait(self->pid[i]));
	}
	compare(_metadata, self, kills);
	tell_samples(_metadata, s);
	munmap(s, sizeof(*s) + count * sizeof(__u32));
}

TEST_F_TIMEOUT(stress, killed_at_random, 1200)
{
	stress(_metadata, self, setting("LINES_COUNT", 200000), 0);
}

TEST_F_TIMEOUT(stress, key_exclusive, 1200)
{
	stress(_metadata, self, setting("LINES_COUNT", 200000) / 4, MQBUS_QUEUE_F_KEY_EXCLUSIVE);
}

/* One member waits and one is killed, with nothing between them. */
TEST_F_TIMEOUT(stress, from_kill_to_redelivery, 300)
{
	struct stress *s = mq_shared(sizeof(*s));
	struct mqbus_leased leased;
	struct worker worker;
	int i, producer;
	__u64 number;
	pid_t pid;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	ASSERT_EQ(0, worker_open(&worker, self->topic, "g", 0));
	producer = mq_producer(self->topic, 0);
	for (i = 1; i <= self->kills && _metadata->passed; i++) {
		number = i;
		ASSERT_EQ(1, mq_put(producer, &number, sizeof(number), 0));
		pid = hold(self->topic, "g", 1);
		ASSERT_LT(0, pid);
		s->killed_at[i] = mq_clock(CLOCK_MONOTONIC);
		kill(pid, SIGKILL);
		EXPECT_EQ(i, take_one(&worker, &leased, MQ_LONG));
		sample(s, WORD(i, HELD));
		EXPECT_EQ(2, leased.attempt);
		EXPECT_EQ(0, ack(&worker, &leased));
		mq_wait(pid);
	}
	tell_samples(_metadata, s);
	close(producer);
	worker_close(&worker);
	munmap(s, sizeof(*s));
}

TEST_HARNESS_MAIN
