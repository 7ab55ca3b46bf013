// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions and other users of their partitions: a refused one leaves all unchanged, its
 * endpoint waits for the right cause, and records of all kinds come to the same partitions at
 * the same time.
 *
 * LINES_COUNT=N records in all.
 */
#include <sched.h>
#include <sys/resource.h>

#include "claim.h"
#include "queue.h"

/* Refused for lack of room: its poller is told of room where it is needed */
TEST_F(claim, the_partition_that_is_full)
{
	struct mqbus_range ranges[RINGS];
	int n, i, other;

	open_topic(self, .partitions = RINGS);
	ASSERT_EQ(0, fill(self, 2));
	EXPECT_EQ(-EAGAIN, publish(self, blocks(0), RINGS, 0));
	EXPECT_FALSE(writable(self->fd, 0));
	/* It does not wait for room elsewhere */
	other = mq_producer(self->topic, 0);
	EXPECT_EQ(1, mq_put_in(other, 0, "x", 1));
	close(other);
	n = mq_fetch(self->reader.fd, ranges, RINGS, 0, 0);
	ASSERT_LT(0, n);
	for (i = 0; i < n; i++)
		if (ranges[i].partition != 2)
			EXPECT_EQ(0, mq_commit(self->reader.fd, ranges[i].partition,
					       ranges[i].end_offset));
	EXPECT_FALSE(writable(self->fd, 0));
	for (i = 0; i < n; i++)
		if (ranges[i].partition == 2)
			EXPECT_EQ(0, mq_commit(self->reader.fd, 2, ranges[i].end_offset));
	EXPECT_TRUE(writable(self->fd, MQ_LONG));
	EXPECT_EQ(0, publish(self, blocks(0), RINGS, 0));
}

/* Records of the contested partition: with FIRST gone there is room for LAST, or for MIDDLE too */
#define FIRST	736
#define MIDDLE	256

struct late {
	int ctl;
	int go;
	struct mqbus_act acts[2];
	__u64 done;
	__u64 took;
};

/* One transaction each time it is told so, on a processor that it hardly gets */
static void *transact_late(void *arg)
{
	const struct sched_param none = {};
	struct late *late = arg;
	__u64 begin;
	char c;

	sched_setscheduler(0, SCHED_IDLE, &none);
	while (read(late->go, &c, 1) == 1) {
		begin = mq_clock(CLOCK_MONOTONIC);
		mq_transact(late->ctl, late->acts, 2, 0, NULL);
		late->took = mq_clock(CLOCK_MONOTONIC) - begin;
		put(&late->done, 1);
	}
	return NULL;
}

static int contest(FIXTURE_DATA(claim) *self)
{
	int i, ret = mq_put(self->fd, block, FIRST, 0);

	for (i = 0; i < 3 && ret == 1; i++)
		ret = mq_put(self->fd, block, BLOCK, 0);
	return ret;
}

/* Room that is kept for whoever waited is not taken by a transaction that asked before that */
TEST_F(claim, room_that_was_promised)
{
	unsigned long rounds = setting("ROUNDS", 600), kept = 0, i;
	struct mqbus_msg msgs[MQBUS_TRANSACT_PARTITIONS];
	struct epoll_event e = { .events = EPOLLOUT };
	__u64 begun, end, chance = 88172645463325252ULL;
	int first, waiter, epoll, go[2];
	struct mqbus_range range;
	struct late late = {};
	pthread_t thread;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	open_topic(self, .partitions = 1);
	ASSERT_EQ(0, mq_create(self->ctl, self->other, .size = 4096, .full = MQBUS_FULL_EVICT,
			       .partitions = MQBUS_TRANSACT_PARTITIONS - 1));
	first = mq_producer(self->topic, 0);
	waiter = mq_producer(self->topic, 0);
	self->out = mq_producer(self->other, 0);
	epoll = epoll_create1(0);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, waiter, &e));
	for (i = 0; i < MQBUS_TRANSACT_PARTITIONS; i++) {
		msgs[i] = mq_msg(block, i ? 8 : MIDDLE);
		msgs[i].partition = i ? i - 1 : 0;
	}
	late.ctl = self->ctl;
	late.acts[0] = act_publish(first, msgs, 1);
	late.acts[1] = act_publish(self->out, msgs + 1, MQBUS_TRANSACT_PARTITIONS - 1);
	ASSERT_EQ(0, pipe(go));
	late.go = go[0];
	ASSERT_EQ(0, pthread_create(&thread, NULL, transact_late, &late));
	end = mq_clock(CLOCK_MONOTONIC) + 20 * MQ_SEC;
	for (i = 0; i < rounds && mq_clock(CLOCK_MONOTONIC) < end; i++) {
		ASSERT_EQ(1, contest(self));
		put(&late.done, 0);
		ASSERT_EQ(1, write(go[1], "x", 1));
		mq_sleep(draw(&chance, 1 + (late.took < 20 * MQ_MS ? late.took : 0)));
		ASSERT_EQ(-EAGAIN, mq_put(waiter, block, BLOCK, 0));
		ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
		begun = mq_clock(CLOCK_MONOTONIC);
		ASSERT_EQ(0, mq_commit(self->reader.fd, 0, range.begin_offset + 1));
		if (epoll_wait(epoll, &e, 1, 0) == 1) {
			while (!get(&late.done))
				mq_sleep(MQ_MS / 10);
			/* It is kept for no longer than 50 ms */
			if (mq_clock(CLOCK_MONOTONIC) - begun < 30 * MQ_MS) {
				EXPECT_EQ(1, mq_put(waiter, block, BLOCK, 0))
					TH_LOG("round %lu", i);
				kept++;
			}
		}
		while (!get(&late.done))
			mq_sleep(MQ_MS / 10);
		mq_drain(&self->reader);
		ASSERT_EQ(1, mq_put(waiter, block, BLOCK, MQ_LONG));
		mq_drain(&self->reader);
		/* Nor is it kept, for a while, when somebody came too late for it */
		if (mq_clock(CLOCK_MONOTONIC) - begun > 30 * MQ_MS)
			mq_sleep(MQ_SEC);
	}
	TH_LOG("kept in %lu of %lu rounds", kept, i);
	close(go[1]);
	pthread_join(thread, NULL);
	close(go[0]);
	close(first);
	close(waiter);
	close(epoll);
}

/* Obstacles elsewhere */
enum obstacle { FULL, REJECTS, RATE, LEASE, COMMIT, SEQ, OBSTACLES };

static const int errors[OBSTACLES] = { EAGAIN, ENOBUFS, EAGAIN, ENOENT, ERANGE, EINVAL };

/* A record in use is not evicted for a transaction that then stores nothing */
TEST_F(claim, evicts_nothing_when_refused)
{
	struct mqbus_settle settle_none = { .lease = 1ULL << 40 };
	struct mqbus_commit_entry commit_none = { .partition = 0, .offset = 1000 };
	struct mqbus_act acts[2], swapped[2];
	struct mqbus_msg msg = mq_msg(block, BLOCK);
	struct worker worker;
	enum obstacle o;
	__u64 before;
	__u32 i;

	open_topic(self, .partitions = RINGS, .full = MQBUS_FULL_EVICT);
	for (i = 0; i < RINGS; i++)
		ASSERT_EQ(0, fill(self, i));
	for (o = 0; o < OBSTACLES; o++) {
		mq_name(self->other, "other");
		ASSERT_EQ(0, mq_create(self->ctl, self->other, .size = 4096,
				       .full = o == REJECTS ? MQBUS_FULL_REJECT : MQBUS_FULL_BLOCK,
				       .rate = o == RATE, .burst = o == RATE));
		ASSERT_EQ(0, mq_queue(self->ctl, self->other, "g", NULL));
		ASSERT_EQ(0, worker_open(&worker, self->other, "g", 0));
		self->out = mq_producer(self->other, 0);
		acts[0] = act_publish(self->fd, blocks(0), RINGS);
		acts[1] = act_publish(self->out, &msg, 1);
		switch (o) {
		case FULL:
		case REJECTS:
			while (mq_put(self->out, block, BLOCK, 0) == 1)
				;
			break;
		case RATE:
			EXPECT_EQ(1, mq_put(self->out, block, BLOCK, 0));
			break;
		case LEASE:
			acts[1] = act_settle(worker.fd, &settle_none, 1);
			break;
		case COMMIT:
			acts[1] = act_commit(self->reader.fd, &commit_none, 1);
			break;
		default:
			acts[1].seq = 7;
			break;
		}
		swapped[0] = acts[1];
		swapped[1] = acts[0];
		before = heads(self);
		EXPECT_EQ(-errors[o], mq_transact(self->ctl, acts, 2, 0, NULL)) TH_LOG("%d", o);
		EXPECT_EQ(-errors[o], mq_transact(self->ctl, swapped, 2, 0, NULL)) TH_LOG("%d", o);
		EXPECT_EQ(before, heads(self)) TH_LOG("%d", o);
		mq_delete(self->ctl, self->other);
		worker_close(&worker);
		close(self->out);
	}
	self->out = -1;
	/* The same without an obstacle */
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, NULL));
	EXPECT_EQ(before + RINGS, heads(self));
}

/* As many bytes as a transaction may have, in a ring that has room by eviction only */
TEST_F(claim, evicts_much)
{
	static char big[150 * 1024];
	struct mqbus_msg msgs[2] = { mq_msg(big, sizeof(big)), mq_msg(big, sizeof(big)) };
	const struct mqbus_record *rec;
	struct mqbus_place places[2];
	struct mqbus_act act;
	int round, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .size = 512 * 1024,
			       .max_record = sizeof(big), .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	ASSERT_EQ(0, mq_reader_open(&self->reader, self->topic, "s"));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 40000; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 2, "", 0));
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 2; i++) {
			msgs[i].partition = i;
			memset(big, 'a' + round, sizeof(big));
		}
		act = act_publish(self->fd, msgs, 2);
		act.places = (uintptr_t)places;
		act.place_size = sizeof(*places);
		EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(20000 + round, places[i].offset);
	}
	for (i = 0; (rec = mq_next(&self->reader, 0));)
		if (rec->value_len) {
			EXPECT_EQ(0, memcmp(mq_value(rec) + 1, mq_value(rec), sizeof(big) - 1));
			EXPECT_LE('a', *mq_value(rec));
			EXPECT_GT('a' + 5, *mq_value(rec));
			i++;
		}
	EXPECT_EQ(6, i);
}

/* Stores and evicts as much as a transaction may, on a processor that it hardly gets. */
static void held_up(const char *topic)
{
	static struct mqbus_msg msgs[MQBUS_TRANSACT_MAX];
	const struct sched_param none = {};
	struct mqbus_act act;
	int ctl = mq_open(0);
	__u32 i;

	for (i = 0; i < MQBUS_TRANSACT_MAX; i++) {
		msgs[i] = mq_msg(block, 200);
		msgs[i].partition = i % RINGS;
	}
	act = act_publish(mq_producer(topic, 0), msgs, MQBUS_TRANSACT_MAX);
	sched_setscheduler(0, SCHED_IDLE, &none);
	for (;;)
		mq_transact(ctl, &act, 1, 0, NULL);
}

static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* A nonblocking call does not wait, though others are preempted in the middle of the same */
TEST_F(claim, nobody_waits_for_who_is_preempted)
{
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_act act;
	pid_t idle, busy;
	cpu_set_t cpu;
	__u64 end;
	long begin;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 128 * 1024, .partitions = RINGS,
			       .full = MQBUS_FULL_EVICT));
	self->fd = mq_producer(self->topic, O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	mq_fork(idle) {
		sched_setaffinity(0, sizeof(cpu), &cpu);
		held_up(self->topic);
	}
	mq_fork(busy) {
		sched_setaffinity(0, sizeof(cpu), &cpu);
		for (;;)
			;
	}
	msg.partition = 0;
	act = act_publish(self->fd, &msg, 1);
	begin = slept();
	end = mq_clock(CLOCK_MONOTONIC) + 2 * MQ_SEC;
	while (mq_clock(CLOCK_MONOTONIC) < end) {
		EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
		EXPECT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	}
	EXPECT_EQ(begin, slept());
	/* In this order, or the other one would hardly reach its end */
	EXPECT_EQ(128 + SIGKILL, mq_kill(busy));
	EXPECT_EQ(128 + SIGKILL, mq_kill(idle));
}

/* Of two partitions: the records of each process there, between those of others */
enum kind { TRANSACTED, PUBLISHED, DEAD, KINDS };

#define EACH		2		/* processes of a kind */
#define TOPICS		2
#define TICKETS		64		/* in flight, in the queue of future dead letters */

struct item {
	__u32 kind;
	__u32 who;
	__u32 number;
	__u32 len;
	__u8 rest[];
};

enum { TORN, LOST, DOUBLE, CALL, WRONGS };

static const char * const wrongs[WRONGS] = {
	"a record is not as it was stored", "a record is missing, or out of order",
	"an offset is not the next", "a call failed",
};

struct mix {
	bool done;
	__u32 count;		/* records of each process in each topic */
	struct wrong wrong[WRONGS];
	char topic[TOPICS][MQBUS_NAME_SIZE];
	char source[MQBUS_NAME_SIZE];
};

/* A record whose bytes name its process; @room has 512 bytes. */
static struct mqbus_msg item(char *room, __u32 kind, __u32 who, __u32 number)
{
	struct item *it = (void *)room;
	struct mqbus_msg msg;

	*it = (struct item) { kind, who, number, number * 37 % 400 };
	memset(it->rest, kind * 64 + number, it->len);
	msg = mq_msg(it, sizeof(*it) + it->len);
	msg.partition = 0;
	return msg;
}

static void transacts(struct mix *m, __u32 who)
{
	struct mqbus_msg msgs[3];
	struct mqbus_act acts[TOPICS];
	char room[3][512];
	__u32 number = 0, n, i, t;
	int ctl = mq_open(0), out[TOPICS], err;

	for (t = 0; t < TOPICS; t++)
		out[t] = mq_producer(m->topic[t], 0);
	for (; number < m->count; number += n) {
		n = m->count - number < 3 ? m->count - number : 1 + number % 3;
		for (i = 0; i < n; i++)
			msgs[i] = item(room[i], TRANSACTED, who, number + i);
		for (t = 0; t < TOPICS; t++)
			acts[t] = act_publish(out[(t + who) % TOPICS], msgs, n);
		err = mq_transact(ctl, acts, TOPICS, MQBUS_WAIT_FOREVER, NULL);
		if (err)
			wrong(&m->wrong[CALL], TRANSACTED, -err);
	}
}

static void publishes(struct mix *m, __u32 who)
{
	char room[512];
	struct mqbus_msg msg;
	__u32 number, t;
	int out[TOPICS], ret;

	for (t = 0; t < TOPICS; t++)
		out[t] = mq_producer(m->topic[t], 0);
	for (number = 0; number < m->count; number++)
		for (t = 0; t < TOPICS; t++) {
			msg = item(room, PUBLISHED, who, number);
			ret = mq_publish(out[t], &msg, 1, NULL, MQBUS_WAIT_FOREVER, NULL);
			if (ret != 1)
				wrong(&m->wrong[CALL], PUBLISHED, -ret);
		}
}

/* Puts records into a queue and rejects them: they come to the first topic. */
static void rejects(struct mix *m, __u32 who)
{
	struct mqbus_leased leased;
	char room[512];
	struct mqbus_msg msg;
	__u32 number;
	int out = mq_producer(m->source, 0), fd = mq_member(m->source, "g", 0), ret;

	for (number = 0; number < m->count; number++) {
		msg = item(room, DEAD, who, number);
		ret = mq_publish(out, &msg, 1, NULL, MQBUS_WAIT_FOREVER, NULL);
		if (ret == 1)
			ret = take(fd, &leased, 1, MQBUS_WAIT_FOREVER);
		if (ret == 1)
			ret = settle(fd, leased.lease, MQBUS_REJECT, 0) ?: 1;
		if (ret != 1)
			wrong(&m->wrong[CALL], DEAD, -ret);
	}
}

static void look(struct mix *m, const struct mqbus_record *rec, __u32 *next, __u32 topic)
{
	const struct item *it = (const void *)mq_value(rec);
	__u32 i;

	if (it->kind >= KINDS || it->who >= EACH || rec->value_len != sizeof(*it) + it->len) {
		wrong(&m->wrong[TORN], topic, rec->offset);
		return;
	}
	for (i = 0; i < it->len; i++)
		if (it->rest[i] != (__u8)(it->kind * 64 + it->number))
			wrong(&m->wrong[TORN], topic, rec->offset);
	/*
	 * Letters of two rejecting processes may overtake each other, but each one's are
	 * complete
	 */
	if (it->kind != DEAD && next[it->kind * EACH + it->who] != it->number)
		wrong(&m->wrong[LOST], it->kind, it->number);
	next[it->kind * EACH + it->who]++;
}

static void reads(struct mix *m, __u32 topic)
{
	__u32 next[KINDS * EACH] = {}, left = m->count * EACH * (topic ? KINDS - 1 : KINDS);
	const struct mqbus_record *rec;
	struct mq_reader r;
	__u64 offset = 0;

	if (mq_reader_open(&r, m->topic[topic], "s"))
		wrong(&m->wrong[CALL], 0, 0);
	for (; left; left--) {
		rec = mq_next(&r, MQ_LONG);
		if (!rec) {
			wrong(&m->wrong[LOST], topic, left);
			return;
		}
		if (rec->offset != offset++)
			wrong(&m->wrong[DOUBLE], topic, rec->offset);
		look(m, rec, next, topic);
	}
}

/* Transactions, batches and dead letters come to the same partitions: none is torn or lost */
TEST_F_TIMEOUT(claim, all_at_once, 600)
{
	static void (* const work[KINDS])(struct mix *m, __u32 who) = {
		transacts, publishes, rejects,
	};
	struct mix *m = mq_shared(sizeof(*m));
	pid_t pid[KINDS][EACH], reader[TOPICS];
	bool stuck = false;
	__u32 k, i, t;

	m->count = setting("LINES_COUNT", 100000) / 20;
	for (t = 0; t < TOPICS; t++) {
		mq_name(m->topic[t], "mix");
		ASSERT_EQ(0, mq_create(self->ctl, m->topic[t], .size = 16384));
		ASSERT_EQ(0, mq_group(self->ctl, m->topic[t], "s"));
	}
	mq_name(m->source, "source");
	ASSERT_EQ(0, mq_create(self->ctl, m->source, .max_record = 1024));
	ASSERT_EQ(0, mq_queue(self->ctl, m->source, "g", m->topic[0], .max_inflight = TICKETS,
			      .retry_size = 65536));
	for (t = 0; t < TOPICS; t++)
		mq_fork(reader[t]) {
			reads(m, t);
		}
	for (k = 0; k < KINDS; k++)
		for (i = 0; i < EACH; i++)
			mq_fork(pid[k][i]) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				work[k](m, i);
			}
	for (t = 0; t < TOPICS; t++)
		EXPECT_EQ(0, mq_wait(reader[t]));
	/* Writers of records without a reader would wait for ever */
	for (k = 0; k < WRONGS; k++)
		stuck |= get(&m->wrong[k].count);
	for (k = 0; k < KINDS; k++)
		for (i = 0; i < EACH; i++)
			EXPECT_EQ(0, stuck ? mq_kill(pid[k][i]) : mq_wait(pid[k][i]));
	expect_none_wrong(_metadata, m->wrong, wrongs, WRONGS);
	mq_delete(self->ctl, m->source);
	for (t = 0; t < TOPICS; t++)
		mq_delete(self->ctl, m->topic[t]);
	munmap(m, sizeof(*m));
}

TEST_HARNESS_MAIN
