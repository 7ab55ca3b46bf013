// SPDX-License-Identifier: GPL-2.0
/*
 * A stream group whose members join and leave: they close, are killed, are stopped for longer
 * than the revocation timeout, rejoin with the same id, and take over each other's ids, while
 * records are published.
 *
 * Each member notes its steps in shared memory: records that it was given, before it works on
 * them, and a commit, before it does it. So a member that commits can tell whether another was
 * given the partition before, and a member that gets records whether there are uncommitted ones
 * between. At the end each record was worked on and committed once, and no partition's
 * generation went back.
 *
 * LINES_COUNT=N (a quarter of them records), KILL_COUNT=N (half of them, at least 40) deeds;
 * KILL_SEED=N repeats the random choices.
 */
#include "stream.h"
#include "stress.h"

#define PARTS		8
#define MEMBERS		4
#define KEYS		97
#define LIVES_MAX	2048
#define RING		(1 << 21)

enum {
	CALL_FAILED, SKIPPED, COMMITTED_BEFORE, COMMITTED_TWICE, SUCCESSOR_BEGAN,
	SAME_GENERATION, WENT_BACK, NOT_DONE, OUT_OF_ORDER, KINDS
};

static const char * const kinds[KINDS] = {
	"a call failed",
	"given records behind some that nobody committed",
	"given a record that had been committed",
	"committed by two",
	"committed after a successor had begun",
	"two members with the same generation",
	"a generation that went back",
	"a record that nobody worked on",
	"a key's records out of order",
};

struct value {
	__u32 key;
	__u32 number;
};

/* State of a partition */
struct part {
	__u64 begun;		/* highest generation handed out */
	__u64 tried;		/* highest offset of a commit that was begun */
	__u64 committed;	/* highest offset known to be committed */
};

struct churn {
	__u32 count;
	__u32 allowed;		/* the producer may have published up to here */
	bool published;
	bool done;
	struct wrong wrong[KINDS];
	struct part part[PARTS];
	__u64 commits, refused, revoked, given;
	__u64 fenced;		/* number of members told */
	char topic[MQBUS_NAME_SIZE];
	/* The member (a life) that was given a partition, by partition and generation */
	__u32 *owner[PARTS];
	/* Of each record, by partition and offset */
	__u32 *worked[PARTS];	/* how often */
	__u32 *by[PARTS];	/* generation that committed it, if known */
};

/* Generations count up over all partitions; higher ones are not checked */
#define GENERATIONS	(1 << 18)

struct member {
	struct churn *s;
	__u32 life;
	__u64 random;
	int fd;
	struct mq_map map[PARTS];
	struct mqbus_range ranges[2 * PARTS];	/* ranges still held */
	int nr;
	bool committing;	/* committed by the next fetch */
};

/* Take a range, which no other life was given with this generation. */
static void begin_range(struct member *m, const struct mqbus_range *r, __u64 committed)
{
	struct churn *s = m->s;
	__u32 p = r->partition, nobody = 0;

	raise_to(&s->part[p].begun, r->generation);
	if (r->begin_offset < committed)
		wrong(&s->wrong[COMMITTED_BEFORE], p, r->begin_offset);
	if (r->generation >= GENERATIONS)
		return;
	if (!__atomic_compare_exchange_n(&s->owner[p][r->generation], &nobody, m->life, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		if (nobody != m->life)
			wrong(&s->wrong[SAME_GENERATION], p, r->generation);
		return;
	}
	/* The first range of a generation begins where the last commit ended, or may have ended */
	if (r->begin_offset > get(&s->part[p].tried))
		wrong(&s->wrong[SKIPPED], p, r->begin_offset);
}

static void work(struct member *m, const struct mqbus_range *r)
{
	__u64 o;

	for (o = r->begin_offset; o < r->end_offset; o++)
		add(&m->s->worked[r->partition][o], 1);
}

/*
 * Note a certain commit: no other life has committed these records, and no successor has begun
 * on them.
 */
static void committed(struct member *m, const struct mqbus_range *r, __u64 to, __u64 begun)
{
	struct part *part = &m->s->part[r->partition];
	struct wrong *wrongs = m->s->wrong;
	__u64 o;

	if (begun > r->generation)
		wrong(&wrongs[SUCCESSOR_BEGAN], r->generation, begun);
	raise_to(&part->committed, to);
	for (o = r->begin_offset; o < to; o++) {
		__u32 none = 0;

		if (!__atomic_compare_exchange_n(&m->s->by[r->partition][o], &none, r->generation,
						 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			wrong(&wrongs[COMMITTED_TWICE], o, none);
	}
	add(&m->s->commits, 1);
}

/*
 * Commit a range in one or two steps, each with the generation. Return: false if the partition
 * is lost.
 */
static bool commit_range(struct member *m, struct mqbus_range *r)
{
	__u64 len = r->end_offset - r->begin_offset;
	__u64 middle = r->begin_offset + draw(&m->random, len);

	while (r->begin_offset < r->end_offset) {
		__u64 to = middle > r->begin_offset ? middle : r->end_offset;
		__u64 begun = get(&m->s->part[r->partition].begun);
		int err;

		raise_to(&m->s->part[r->partition].tried, to);
		err = mq_commit_of(m->fd, r->partition, to, r->generation);
		if (err == -ESTALE || err == -ENOLINK) {
			add(&m->s->refused, 1);
			return false;
		}
		if (err) {
			wrong(&m->s->wrong[CALL_FAILED], m->life, -err);
			return false;
		}
		committed(m, r, to, begun);
		r->begin_offset = to;
	}
	return true;
}

/* Commit all ranges by the next fetch, which reports whether it was done. */
static int fetch_committing(struct member *m, struct mqbus_range *ranges, __u64 timeout)
{
	__u64 begun[PARTS];
	int i, ret;

	for (i = 0; i < m->nr; i++) {
		begun[i] = get(&m->s->part[m->ranges[i].partition].begun);
		raise_to(&m->s->part[m->ranges[i].partition].tried, m->ranges[i].end_offset);
	}
	ret = mq_fetch(m->fd, ranges, PARTS, MQBUS_FETCH_F_COMMIT, timeout);
	if (ret >= 0 || ret == -ETIMEDOUT || ret == -EAGAIN)
		for (i = 0; i < m->nr; i++)
			committed(m, &m->ranges[i], m->ranges[i].end_offset, begun[i]);
	return ret;
}

/* One turn: fetch, work, commit. Return: 0 or a negative errno. */
static int turn(struct member *m)
{
	struct mqbus_range ranges[PARTS];
	bool committing = m->committing, held = m->nr && !committing;
	__u64 known[PARTS], timeout = 10 * MQ_MS;
	struct churn *s = m->s;
	int i, ret;

	for (i = 0; i < PARTS; i++)
		known[i] = get(&s->part[i].committed);
	ret = committing ? fetch_committing(m, ranges, timeout) :
			   mq_fetch(m->fd, ranges, PARTS, 0, timeout);
	if (committing)
		m->nr = 0;
	m->committing = false;
	if (ret == -ENOLINK && committing) {
		/*
		 * A fenced member is let in again, unless its id was taken: the next fetch
		 * reports that
		 */
		add(&s->fenced, 1);
		return 0;
	}
	/* A stopped member is interrupted */
	if (ret == -ETIMEDOUT || ret == -EINTR)
		ret = 0;
	if (ret < 0)
		return ret;
	for (i = 0; i < ret; i++) {
		if (ranges[i].flags & MQBUS_RANGE_F_REVOKED)
			add(&s->revoked, 1);
		/* Ranges that end where they begin are done */
		if (ranges[i].begin_offset == ranges[i].end_offset)
			continue;
		begin_range(m, &ranges[i], known[ranges[i].partition]);
		add(&s->given, ranges[i].end_offset - ranges[i].begin_offset);
		work(m, &ranges[i]);
		m->ranges[m->nr++] = ranges[i];
	}
	/* A member that is to be fenced is mostly stopped here */
	mq_sleep(draw(&m->random, 6000) * 1000ULL);
	switch (draw(&m->random, 4)) {
	case 0:
		/* Leave all ranges to the next fetch, or none */
		m->committing = m->nr && !held;
		break;
	case 1:
		/* A partition to be released goes, finished or not */
		ret = mq_commit_flags(m->fd, MQBUS_COMMIT_F_RELEASE);
		if (ret && ret != -ENOLINK)
			return ret;
		break;
	case 2:
		/* Hold it, and fetch more */
		if (!held)
			return 0;
		break;
	}
	for (i = 0; i < m->nr && !m->committing; i++)
		commit_range(m, &m->ranges[i]);
	if (!m->committing)
		m->nr = 0;
	return 0;
}

static void live(struct churn *s, const char *id, __u32 life, __u64 seed)
{
	struct member m = { .s = s, .life = life, .random = seed * 2 + 1 };
	int err, i, turns = draw(&m.random, 4) ? 1 << 30 : 1 + draw(&m.random, 20);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	m.fd = mq_member_as(s->topic, "g", id, 0);
	err = m.fd < 0 ? m.fd : 0;
	for (i = 0; i < PARTS && !err; i++)
		err = mq_map(m.fd, i, &m.map[i]);
	/* Some members leave by themselves */
	for (; !err && !get(&s->done) && turns; turns--)
		err = turn(&m);
	if (err && err != -ENOLINK)
		wrong(&s->wrong[CALL_FAILED], life, -err);
}

static void produce(struct churn *s)
{
	int fd = mq_producer(s->topic, 0), ret = 0;
	struct value values[16];
	struct mqbus_msg msgs[16];
	__u32 n = 0, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (n < s->count && ret >= 0) {
		char keys[16][16];

		for (i = 0; i < 16 && n + i < get(&s->allowed); i++) {
			values[i] = (struct value) { (n + i) % KEYS, (n + i) / KEYS };
			msgs[i] = mq_msg(&values[i], sizeof(*values));
			msgs[i].key = (uintptr_t)keys[i];
			msgs[i].key_len = snprintf(keys[i], sizeof(*keys), "%u", values[i].key);
		}
		if (!i) {
			mq_sleep(MQ_MS / 2);
			continue;
		}
		ret = mq_publish(fd, msgs, i, NULL, MQBUS_WAIT_FOREVER, NULL);
		if (ret < 0)
			wrong(&s->wrong[CALL_FAILED], n, -ret);
		else
			n += ret;
	}
	put(&s->published, true);
}

FIXTURE(churn) {
	int ctl;
	struct churn *s;
	__u64 random;
	__u32 lives;
	__u32 stalls, kills, expelled;
	pid_t pid[MEMBERS];
	pid_t old[MEMBERS];	/* its id was taken over */
};

FIXTURE_SETUP(churn)
{
	struct churn *s = mq_shared(sizeof(*s));
	int p;

	self->random = setting("KILL_SEED", getpid());
	TH_LOG("KILL_SEED=%llu", self->random);
	self->random = self->random * 2 + 1;
	ASSERT_NE(NULL, s);
	self->s = s;
	s->count = setting("LINES_COUNT", 160000) / 4;
	for (p = 0; p < PARTS; p++) {
		s->worked[p] = mq_shared(s->count * sizeof(__u32));
		s->by[p] = mq_shared(s->count * sizeof(__u32));
		s->owner[p] = mq_shared(GENERATIONS * sizeof(__u32));
		ASSERT_TRUE(s->worked[p] && s->by[p] && s->owner[p]);
	}
	mq_name(s->topic, "churn");
	self->ctl = mq_open(0);
	/* Group "all" keeps all records for the check at the end */
	ASSERT_EQ(0, mq_create(self->ctl, s->topic, .partitions = PARTS, .size = RING));
	ASSERT_EQ(0, mq_group(self->ctl, s->topic, "all"));
	ASSERT_EQ(0, mq_stream(self->ctl, s->topic, "g", .rebalance_timeout = 20 * MQ_MS,
			       .grace = 20 * MQ_MS));
}

FIXTURE_TEARDOWN(churn)
{
	mq_delete(self->ctl, self->s->topic);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
	munmap(self->s, sizeof(*self->s));
}

static void spawn(FIXTURE_DATA(churn) *self, int i)
{
	char id[MQBUS_NAME_SIZE] = "";
	__u32 life = ++self->lives;

	/* Two of them have ids */
	if (i < 2)
		snprintf(id, sizeof(id), "static%d", i);
	mq_fork(self->pid[i]) {
		live(self->s, id, life, self->random + life);
	}
}

/* A member that left is replaced. */
static void reap(FIXTURE_DATA(churn) *self)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (waitpid(self->pid[i], NULL, WNOHANG) == self->pid[i])
			spawn(self, i);
}

/* Stop a member while its partitions are wanted: another one leaves and joins. */
static void stall(FIXTURE_DATA(churn) *self, int i)
{
	int k = (i + 1) % MEMBERS;

	mq_sleep(draw(&self->random, 4) * MQ_MS);
	kill(self->pid[i], SIGSTOP);
	mq_kill(self->pid[k]);
	mq_sleep(draw(&self->random, 2) * 5 * MQ_MS);
	spawn(self, k);
	mq_sleep((20 + draw(&self->random, 40)) * MQ_MS);
	kill(self->pid[i], SIGCONT);
	self->stalls++;
}

/* Take over the id of a present member. */
static void expel(FIXTURE_DATA(churn) *self, int i)
{
	if (self->old[i])
		mq_kill(self->old[i]);
	self->old[i] = self->pid[i];
	spawn(self, i);
	self->expelled++;
}

static void kill_one(FIXTURE_DATA(churn) *self, int i)
{
	mq_kill(self->pid[i]);
	mq_sleep(draw(&self->random, 3) * 10 * MQ_MS);
	spawn(self, i);
	self->kills++;
}

/* One deed after the other */
static void disturb(FIXTURE_DATA(churn) *self, __u32 deed)
{
	switch (deed % 3) {
	case 0:
		stall(self, draw(&self->random, MEMBERS));
		break;
	case 1:
		expel(self, draw(&self->random, 2));
		break;
	default:
		kill_one(self, draw(&self->random, MEMBERS));
		break;
	}
}

/* Whether the group has committed all records; *@at: its progress */
static bool all_committed(FIXTURE_DATA(churn) *self, __u64 *sum)
{
	struct mqbus_seek_result res[PARTS];
	bool all = get(&self->s->published);
	int p;

	if (mq_seek(self->ctl, self->s->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
		    MQBUS_WHENCE_LATEST, 0, res, PARTS) != PARTS)
		return false;
	for (p = 0, *sum = 0; p < PARTS; p++) {
		*sum += res[p].old_offset;
		all = all && res[p].old_offset == res[p].end_offset;
	}
	return all;
}

/* Between two deeds a share is published; the deed comes in its middle. */
static bool run(FIXTURE_DATA(churn) *self, __u32 deeds)
{
	__u64 sum = 0, seen = ~0ULL, end = mq_patience(), now, since = 0;
	__u64 share = self->s->count / deeds + 1, next = 0, allowed = 0;
	__u32 deed = 0;

	while (!all_committed(self, &sum)) {
		now = mq_clock(CLOCK_MONOTONIC);
		if (sum != seen)
			end = mq_patience();
		seen = sum;
		if (now > end)
			return false;
		reap(self);
		if ((sum >= next || now > since + 50 * MQ_MS) && self->lives < LIVES_MAX) {
			allowed += share;
			put(&self->s->allowed, allowed < self->s->count ? allowed : self->s->count);
			next = sum + draw(&self->random, share);
			disturb(self, deed++);
			since = mq_clock(CLOCK_MONOTONIC);
		}
		mq_sleep(MQ_MS);
	}
	return true;
}

/* In log order: each record was committed, and each key's records are complete. */
static void look(struct churn *s)
{
	__u32 next[KEYS] = {}, offset[PARTS] = {}, high[PARTS] = {}, by;
	const struct mqbus_record *rec;
	struct mq_reader reader;
	struct value v;
	int err = mq_reader_open(&reader, s->topic, "all");

	if (err)
		wrong(&s->wrong[CALL_FAILED], 0, -err);
	while (!err && (rec = mq_next(&reader, 0))) {
		__u32 p = reader.partition;

		memcpy(&v, mq_value(rec), sizeof(v));
		if (v.number != next[v.key]++ || rec->offset != offset[p]++)
			wrong(&s->wrong[OUT_OF_ORDER], v.key, v.number);
		if (!s->worked[p][rec->offset])
			wrong(&s->wrong[NOT_DONE], p, rec->offset);
		by = s->by[p][rec->offset];
		if (by && by < high[p])
			wrong(&s->wrong[WENT_BACK], rec->offset, by);
		if (by)
			high[p] = by;
	}
	mq_reader_close(&reader);
}

TEST_F_TIMEOUT(churn, no_record_skipped_or_committed_late, 1200)
{
	__u32 deeds = setting("KILL_COUNT", 200) / 2;
	struct churn *s = self->s;
	pid_t producer;
	__u64 known = 0, o;
	bool ended;
	int i, p;

	for (i = 0; i < MEMBERS; i++)
		spawn(self, i);
	mq_fork(producer) {
		produce(s);
	}
	/* With fewer deeds perhaps no member is stopped at the right moment */
	ended = run(self, deeds < 40 ? 40 : deeds);
	EXPECT_TRUE(ended)
		TH_LOG("no progress any more");
	put(&s->done, true);
	mq_kill(producer);
	for (i = 0; i < MEMBERS; i++) {
		EXPECT_EQ(0, mq_wait(self->pid[i]));
		if (self->old[i])
			mq_kill(self->old[i]);
	}
	look(s);
	expect_none_wrong(_metadata, s->wrong, kinds, KINDS);
	for (p = 0; p < PARTS; p++)
		for (o = 0; o < s->count; o++)
			known += s->by[p][o] != 0;
	TH_LOG("%u records given %llu times, %llu known to be committed", s->count, s->given,
	       known);
	TH_LOG("%llu commits, %llu refused; %llu fenced, %llu partitions wanted back",
	       s->commits, s->refused, s->fenced, s->revoked);
	TH_LOG("%u lives, %u killed, %u stopped, %u expelled", self->lives, self->kills,
	       self->stalls, self->expelled);
	/* The test counts only if all of this happened */
	EXPECT_LT(0, self->kills);
	EXPECT_LT(0, self->stalls);
	EXPECT_LT(0, self->expelled);
	EXPECT_LT(0, s->refused);
	EXPECT_LE(s->count / 2, known);
	EXPECT_GE(s->count, known);
}

TEST_HARNESS_MAIN
