// SPDX-License-Identifier: GPL-2.0
/*
 * Exactly once from end to end, although processes of all kinds are killed at random:
 *
 *   feeder -> raw -> stage 1 -> mid -> stage 2 -> cooked -> stage 3 -> last
 *
 * The feeder has a name and numbers its records; it goes on behind the last stored one, or
 * before it. Stages 1 and 3 are queue groups with exclusive keys, stage 2 is a stream group
 * whose members share the partitions. Each takes and publishes in one transaction. At the end
 * each number is in the last topic once, in the order of its key.
 *
 * LINES_COUNT=N (half of them records), KILL_COUNT=N kills; KILL_SEED=N repeats the random
 * choices.
 */
#include "queue.h"
#include "producer.h"
#include "stress.h"
#include "transact.h"

#define PARTS		4
#define STAGES		3
#define PROCS		8		/* all except the checker */
#define KEYS		251
#define BATCH		64

enum { CALL_FAILED, TWICE, OUT_OF_ORDER, NOT_A_NUMBER, LAST_SEQ, KINDS };

static const char * const kinds[KINDS] = {
	"a call failed",
	"a number is there twice",
	"a number is missing before another one of its key",
	"not a number that was published",
	"the last number of a name is not what was stored",
};

struct pipeline {
	__u32 count;
	bool done;
	struct wrong wrong[KINDS];
	__u64 arrived;
	__u64 duplicates;	/* numbers that the feeder offered again */
	__u64 fenced;		/* transactions of members that had lost their partition */
	__u64 moved[STAGES];	/* transactions */
	char topic[STAGES + 1][MQBUS_NAME_SIZE];
};

/* Move records from one topic to the next */
struct load {
	__u64 number[BATCH];
	char key[BATCH][16];
	struct mqbus_msg msgs[BATCH];
	__u32 n;
};

static void load_add(struct load *l, __u64 number)
{
	struct mqbus_msg *m = &l->msgs[l->n];

	l->number[l->n] = number;
	*m = mq_msg(&l->number[l->n], sizeof(number));
	m->key = (uintptr_t)l->key[l->n];
	m->key_len = snprintf(l->key[l->n], sizeof(*l->key), "%u", (__u32)(number % KEYS));
	l->n++;
}

static bool stop(struct pipeline *s, int who, int err)
{
	if (err)
		wrong(&s->wrong[CALL_FAILED], who, -err);
	return err || get(&s->done);
}

/* Numbers are sequence numbers; some are offered again, as after a lost answer. */
static void feed(struct pipeline *s, __u64 seed)
{
	struct mqbus_produce produce;
	int err = 0, fd = open_named(s->topic[0], "feeder", &produce);
	__u64 random = seed * 2 + 1, next = produce.last_seq + 1;
	static struct load load;

	if (fd < 0)
		stop(s, 0, fd);
	while (next <= s->count) {
		__u64 again = draw(&random, 4) ? 0 : draw(&random, 20), i, seq;
		struct mqbus_publish args;

		seq = next > again ? next - again : 1;
		for (load.n = 0, i = seq; load.n < BATCH && i <= s->count; i++)
			load_add(&load, i);
		err = publish_from(fd, load.msgs, load.n, seq, NULL, MQBUS_WAIT_FOREVER, &args) ?:
		      -(int)args.error;
		if (stop(s, 0, err))
			break;
		if (args.duplicates != next - seq || args.published != load.n)
			wrong(&s->wrong[LAST_SEQ], seq, args.duplicates);
		add(&s->duplicates, args.duplicates);
		next = seq + args.published;
	}
	/* The process stays, to be killed as well */
	while (!get(&s->done))
		mq_sleep(MQ_MS);
}

static void work(struct pipeline *s, int stage)
{
	int out = mq_producer(s->topic[stage + 1], 0), ctl = mq_open(0), ret;
	struct mqbus_settle settles[BATCH];
	struct mqbus_leased leased[BATCH];
	static struct load load;
	struct worker worker;
	int i;

	ret = worker_open(&worker, s->topic[stage], "g", 0);
	while (!stop(s, stage + 1, ret)) {
		struct mqbus_act acts[2];

		ret = take(worker.fd, leased, BATCH, 20 * MQ_MS);
		if (ret <= 0) {
			ret = ret == -ETIMEDOUT ? 0 : ret;
			continue;
		}
		for (load.n = 0, i = 0; i < ret; i++) {
			load_add(&load, leased_number(&worker, &leased[i]));
			settles[i] = (struct mqbus_settle) { .lease = leased[i].lease };
		}
		acts[0] = act_publish(out, load.msgs, load.n);
		acts[1] = act_settle(worker.fd, settles, load.n);
		ret = mq_transact(ctl, acts, 2, MQBUS_WAIT_FOREVER, NULL);
		add(&s->moved[stage], 1);
	}
}

struct member {
	struct pipeline *s;
	int stage;
	int ctl, fd, out;
	struct mq_map map[PARTS];
};

/* The records of a range, in batches; if one fails the rest is lost, too. */
static int move_range(struct member *m, const struct mqbus_range *range)
{
	struct mqbus_commit_entry entry = {
		.partition = range->partition, .generation = range->generation,
	};
	const struct mq_map *map = &m->map[range->partition];
	const struct mqbus_record *rec;
	static struct load load;
	__u64 pos = range->begin;
	struct mqbus_act acts[2];
	int err = 0;

	while (pos < range->end && !err) {
		for (load.n = 0; load.n < BATCH && pos < range->end; pos += rec->size) {
			rec = mq_record(map, pos);
			load_add(&load, record_number(rec));
			entry.offset = rec->offset + 1;
		}
		acts[0] = act_commit(m->fd, &entry, 1);
		acts[1] = act_publish(m->out, load.msgs, load.n);
		err = mq_transact(m->ctl, acts, 2, MQBUS_WAIT_FOREVER, NULL);
		add(&m->s->moved[m->stage], 1);
	}
	return err;
}

static void read_and_move(struct pipeline *s, int stage)
{
	struct member m = { .s = s, .stage = stage };
	struct mqbus_range ranges[PARTS];
	int ret = 0, i, err;

	m.out = mq_producer(s->topic[stage + 1], 0);
	m.fd = mq_member(s->topic[stage], "g", 0);
	m.ctl = mq_open(0);
	for (i = 0; i < PARTS && !ret; i++)
		ret = mq_map(m.fd, i, &m.map[i]);
	while (!stop(s, stage + 1, ret)) {
		ret = mq_fetch(m.fd, ranges, PARTS, 0, 20 * MQ_MS);
		if (ret < 0) {
			ret = ret == -ETIMEDOUT || ret == -ENOLINK ? 0 : ret;
			continue;
		}
		for (i = 0, err = 0; i < ret && !err; i++) {
			err = move_range(&m, &ranges[i]);
			if (err == -ESTALE || err == -ENOLINK) {
				add(&s->fenced, 1);
				err = 0;
			}
		}
		ret = err;
	}
}

/* The end of the pipeline: numbers as they come, each key's in order. */
static void look(struct pipeline *s)
{
	const struct mqbus_record *rec;
	struct mq_reader reader;
	__u64 next[KEYS], n;
	int err, i;

	for (i = 0; i < KEYS; i++)
		next[i] = i ?: KEYS;
	err = mq_reader_open(&reader, s->topic[STAGES], "g");
	if (err)
		wrong(&s->wrong[CALL_FAILED], 99, -err);
	/* A little longer than until all have arrived, for duplicates */
	while (!get(&s->done) || reader.nr) {
		rec = mq_next(&reader, 20 * MQ_MS);
		if (!rec)
			continue;
		n = record_number(rec);
		i = n % KEYS;
		if (!n || n > s->count)
			wrong(&s->wrong[NOT_A_NUMBER], n, rec->offset);
		else if (n < next[i])
			wrong(&s->wrong[TWICE], n, next[i]);
		else if (n > next[i])
			wrong(&s->wrong[OUT_OF_ORDER], n, next[i]);
		next[i] = n + KEYS;
		add(&s->arrived, 1);
	}
}

FIXTURE(pipeline) {
	int ctl;
	struct pipeline *s;
	__u64 random;
	pid_t pid[PROCS];
	__u32 kills;
};

FIXTURE_SETUP(pipeline)
{
	static const char * const names[] = { "raw", "mid", "cooked", "last" };
	int i;

	self->random = setting("KILL_SEED", getpid());
	TH_LOG("KILL_SEED=%llu", self->random);
	self->random = self->random * 2 + 1;
	self->ctl = mq_open(0);
	self->s = mq_shared(sizeof(*self->s));
	ASSERT_NE(NULL, self->s);
	self->s->count = setting("LINES_COUNT", 200000) / 2;
	for (i = 0; i <= STAGES; i++) {
		mq_name(self->s->topic[i], names[i]);
		ASSERT_EQ(0, mq_create(self->ctl, self->s->topic[i], .partitions = PARTS,
				       .size = 32768));
		ASSERT_EQ(0, i % 2 ? mq_group(self->ctl, self->s->topic[i], "g") :
				     mq_queue(self->ctl, self->s->topic[i], "g", NULL,
					      .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE));
	}
}

FIXTURE_TEARDOWN(pipeline)
{
	int i;

	for (i = 0; i <= STAGES; i++)
		mq_delete(self->ctl, self->s->topic[i]);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
	munmap(self->s, sizeof(*self->s));
}

static void spawn(FIXTURE_DATA(pipeline) *self, int i)
{
	__u64 seed = self->random + i;

	mq_fork(self->pid[i]) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!i)
			feed(self->s, seed);
		else if (i < 3)
			work(self->s, 0);
		else if (i < 6)
			read_and_move(self->s, 1);
		else
			work(self->s, 2);
	}
}

/* Kill a process after each share of the numbers. Return: false if no more arrive. */
static bool run(FIXTURE_DATA(pipeline) *self, __u32 kills)
{
	__u64 share = self->s->count / kills + 1, seen = 0, now, next = 0, end = mq_patience();

	while (seen < self->s->count) {
		now = get(&self->s->arrived);
		if (now != seen)
			end = mq_patience();
		seen = now;
		if (mq_clock(CLOCK_MONOTONIC) > end)
			return false;
		if (seen >= next) {
			int i = draw(&self->random, PROCS);

			mq_kill(self->pid[i]);
			spawn(self, i);
			self->kills++;
			next = seen + 1 + draw(&self->random, 2 * share);
		}
		mq_sleep(MQ_MS / 2);
	}
	return true;
}

TEST_F_TIMEOUT(pipeline, exactly_once, 1200)
{
	struct pipeline *s = self->s;
	bool ended;
	pid_t last;
	int i;

	mq_fork(last) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		look(s);
	}
	for (i = 0; i < PROCS; i++)
		spawn(self, i);
	ended = run(self, setting("KILL_COUNT", 200) / 2);
	EXPECT_TRUE(ended)
		TH_LOG("no progress any more");
	/* Duplicates would come now */
	mq_sleep(50 * MQ_MS);
	put(&s->done, true);
	for (i = 0; i < PROCS; i++)
		EXPECT_EQ(0, mq_wait(self->pid[i]));
	EXPECT_EQ(0, mq_wait(last));
	expect_none_wrong(_metadata, s->wrong, kinds, KINDS);
	EXPECT_EQ(s->count, s->arrived);
	TH_LOG("%u numbers, %u kills, %llu fenced, %llu duplicates", s->count, self->kills,
	       s->fenced, s->duplicates);
	TH_LOG("%llu, %llu and %llu transactions", s->moved[0], s->moved[1], s->moved[2]);
	EXPECT_LT(0, s->duplicates);
	for (i = 0; i < STAGES; i++)
		EXPECT_LT(0, s->moved[i]);
}

TEST_HARNESS_MAIN
