// SPDX-License-Identifier: GPL-2.0
/*
 * Effects of a transaction: all of it, or it waits, or nothing. transaction_refuse_test has the
 * refusals.
 */
#include "transaction.h"
#include "fault.h"

/* A topic of three partitions of which the second is full */
struct wall {
	char topic[MQBUS_NAME_SIZE];
	int fd;
	__u64 end[3];
	struct mqbus_msg msgs[EACH];
};

static int wall_open(struct wall *w, int ctl, __u32 full)
{
	static const char block[900];
	struct mqbus_msg msg = mq_msg(block, sizeof(block));
	int err, i;

	mq_name(w->topic, "wall");
	err = mq_create(ctl, w->topic, .partitions = 3, .size = 4096, .full = full);
	err = err ?: mq_group(ctl, w->topic, "s");
	w->fd = mq_producer(w->topic, 0);
	for (msg.partition = 1; !err && mq_publish(w->fd, &msg, 1, NULL, 0, NULL) == 1;)
		;
	for (i = 0; i < 3; i++)
		w->end[i] = mq_end(ctl, w->topic, "s", i);
	return err;
}

static void wall_close(struct wall *w, int ctl)
{
	mq_delete(ctl, w->topic);
	close(w->fd);
}

/* Records of which only @bad is for the full partition */
static struct mqbus_msg *wall_msgs(struct wall *w, int bad)
{
	static const char block[900];
	int i;

	for (i = 0; i < EACH; i++) {
		w->msgs[i] = mq_msg(block, sizeof(block));
		w->msgs[i].partition = i == bad ? 1 : 0;
	}
	return w->msgs;
}

static bool wall_grew(struct wall *w, int ctl, int first, int second)
{
	return mq_end(ctl, w->topic, "s", 0) == w->end[0] + first &&
	       mq_end(ctl, w->topic, "s", 1) == w->end[1] + second;
}

/* Make room in the full partition. */
static int wall_yield(struct wall *w)
{
	struct mqbus_range range;
	int fd = mq_member(w->topic, "s", 0), ret;

	while ((ret = mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0)) > 0)
		;
	close(fd);
	return ret == -EAGAIN ? 0 : ret;
}

static const char *value_text(const struct mqbus_record *rec)
{
	static char text[64];

	if (!rec || rec->value_len >= sizeof(text))
		return rec ? "long" : "none";
	memcpy(text, mq_value(rec), rec->value_len);
	text[rec->value_len] = 0;
	return text;
}

/* Places of all, contents, all kinds of settlements */
TEST_F(exchange, all_in_one)
{
	struct mqbus_place places[2][EACH];
	const struct mqbus_record *rec;
	struct mqbus_transact args;
	struct state before, after, want;
	struct mqbus_leased leased;
	struct mq_reader reader;
	__u64 lease;
	int i, t;

	memset(places, 0xcc, sizeof(places));
	before = state(self);
	fill_in(self);
	for (t = 0; t < 2; t++) {
		self->x.acts[t].places = (uintptr_t)places[t];
		self->x.acts[t].place_size = sizeof(**places);
	}
	self->x.msgs[0][1].schema = 77;
	self->x.msgs[0][1].routing_key = (uintptr_t)"a.b";
	self->x.msgs[0][1].routing_key_len = 3;
	self->x.msgs[0][2].key = (uintptr_t)"key";
	self->x.msgs[0][2].key_len = 3;
	self->x.settles[1].what = MQBUS_REJECT;
	self->x.settles[2].what = MQBUS_RELEASE;
	lease = self->x.settles[2].lease;
	EXPECT_EQ(0, go(self, 0, &args));
	EXPECT_EQ(0, args.duplicates);
	EXPECT_EQ(0, args.flags);
	EXPECT_EQ(ACTS, args.count);
	after = state(self);
	want = done(before);
	want.queue[0] -= 2;	/* acked */
	want.queue[1] += 1;	/* rejected */
	want.queue[2] += 1;	/* released */
	/* A released record is in flight until it is settled, leased or not */
	want.queue[4] = after.queue[4];
	EXPECT_TRUE(same_state(&want, &after));
	for (t = 0; t < 2; t++) {
		ASSERT_EQ(0, mq_reader_open(&reader, self->to[t], "s"));
		for (i = 0; i < EACH; i++) {
			EXPECT_EQ(0, places[t][i].partition);
			EXPECT_EQ(0, places[t][i].__reserved);
			EXPECT_EQ(i, places[t][i].offset);
			rec = mq_next(&reader, 0);
			ASSERT_NE(NULL, rec);
			EXPECT_EQ(i, rec->offset);
			EXPECT_EQ(i + 1, rec->seq);
			EXPECT_EQ(0, rec->epoch);
			EXPECT_EQ(t ? 8 - i : 8 + i, rec->value_len);
			EXPECT_EQ(0, memcmp("0123456789abcdef", mq_value(rec), rec->value_len));
			EXPECT_EQ(!t && i == 1 ? 77 : 0, rec->schema);
			EXPECT_EQ(!t && i == 1 ? 3 : 0, rec->routing_key_len);
			EXPECT_EQ(!t && i == 2 ? 3 : 0, rec->key_len);
		}
		EXPECT_EQ(NULL, mq_next(&reader, 0));
		mq_reader_close(&reader);
	}
	/* The released record comes again, without a failure; the others do not */
	EXPECT_EQ(-EALREADY, settle(self->worker.fd, self->leased[0].lease, MQBUS_ACK, 0));
	EXPECT_EQ(-EALREADY, settle(self->worker.fd, self->leased[1].lease, MQBUS_ACK, 0));
	EXPECT_EQ(-EALREADY, settle(self->worker.fd, lease, MQBUS_ACK, 0));
	EXPECT_EQ(1, take(self->worker.fd, &leased, 1, 0));
	EXPECT_EQ(self->leased[2].offset, leased.offset);
	EXPECT_EQ(1, leased.attempt);
}

/* A producer's numbers go on, in calls of any kind */
TEST_F(exchange, sequence)
{
	const struct mqbus_record *rec;
	struct mq_reader reader;
	__u64 producer = 0;
	int i;

	EXPECT_EQ(1, mq_put(self->out[0], "x", 1, 0));
	fill_in(self);
	EXPECT_EQ(0, mq_transact(self->ctl, self->x.acts, 1, 0, NULL));
	EXPECT_EQ(1, mq_put(self->out[0], "x", 1, 0));
	ASSERT_EQ(0, mq_reader_open(&reader, self->to[0], "s"));
	for (i = 0; i < EACH + 2; i++) {
		rec = mq_next(&reader, 0);
		ASSERT_NE(NULL, rec);
		EXPECT_EQ(i + 1, rec->seq);
		EXPECT_TRUE(!i || rec->producer == producer);
		producer = rec->producer;
	}
	mq_reader_close(&reader);
}

/* Full, and the call may not wait */
TEST_F(exchange, full)
{
	static const __u32 kinds[] = { MQBUS_FULL_BLOCK, MQBUS_FULL_REJECT };
	struct mqbus_transact args;
	struct state before, after;
	int ctl = mq_open(O_NONBLOCK), k, at, i;
	struct wall w;

	for (k = 0; k < 2; k++) {
		int now = k ? -ENOBUFS : -EAGAIN, later = k ? -ENOBUFS : -ETIMEDOUT;

		ASSERT_EQ(0, wall_open(&w, self->ctl, kinds[k]));
		before = state(self);
		for_each_place(at) {
			for (i = 0; i < EACH; i++) {
				publish_as(self, at, w.fd, wall_msgs(&w, i), EACH);
				EXPECT_EQ(now, go(self, 0, &args));
				EXPECT_EQ(at, args.failed_act);
				EXPECT_EQ(i, args.failed_element);
				EXPECT_EQ(later, go(self, MQ_MS, &args));
				EXPECT_EQ(at, args.failed_act);
				EXPECT_EQ(i, args.failed_element);
				EXPECT_EQ(now, mq_transact(ctl, self->x.acts, ACTS,
							   MQBUS_WAIT_FOREVER, &args));
				EXPECT_EQ(at, args.failed_act);
				EXPECT_EQ(i, args.failed_element);
			}
		}
		after = state(self);
		EXPECT_TRUE(same_state(&before, &after));
		EXPECT_TRUE(wall_grew(&w, self->ctl, 0, 0));
		wall_close(&w, self->ctl);
	}
	close(ctl);
}

static void on_signal(int sig)
{
}

/* Room comes last: the transaction takes leases */
enum outcome { SIGNAL, KILLED, DELETED, ROOM, OUTCOMES };

/* While a transaction waits nothing has changed and no other waits, until there is room */
TEST_F(exchange, waits)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct state before, after, want;
	enum outcome how;
	struct wall w;
	pid_t pid;
	int at;

	sigaction(SIGUSR1, &act, NULL);
	for (how = SIGNAL; how < OUTCOMES; how++) {
		for_each_place(at) {
			ASSERT_EQ(0, wall_open(&w, self->ctl, MQBUS_FULL_BLOCK));
			before = state(self);
			mq_fork(pid) {
				publish_as(self, at, w.fd, wall_msgs(&w, at % EACH), EACH);
				_exit(-go(self, MQBUS_WAIT_FOREVER, NULL));
			}
			ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
			after = state(self);
			EXPECT_TRUE(same_state(&before, &after));
			EXPECT_TRUE(wall_grew(&w, self->ctl, 0, 0));
			switch (how) {
			case ROOM:
				EXPECT_EQ(0, wall_yield(&w));
				EXPECT_EQ(0, mq_wait(pid));
				break;
			case SIGNAL:
				kill(pid, SIGUSR1);
				EXPECT_EQ(EINTR, mq_wait(pid));
				break;
			case KILLED:
				EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
				break;
			default:
				EXPECT_EQ(0, mq_delete(self->ctl, w.topic));
				EXPECT_EQ(EIDRM, mq_wait(pid));
				break;
			}
			after = state(self);
			/* The groups of a topic go with it */
			if (how == DELETED)
				after.used = before.used;
			if (how == ROOM) {
				EXPECT_TRUE(wall_grew(&w, self->ctl, EACH - 1, 1));
				want = done(before);
				want.end[1][0] = before.end[1][0];
				EXPECT_TRUE(same_state(&want, &after));
				ASSERT_TRUE(other_leases(self, at));
			} else {
				EXPECT_TRUE(same_state(&before, &after));
				if (how != DELETED)
					EXPECT_TRUE(wall_grew(&w, self->ctl, 0, 0));
			}
			wall_close(&w, self->ctl);
		}
	}
}

/* A waiting transaction holds nothing: others take room and leases meanwhile */
TEST_F(exchange, holds_nothing_while_it_waits)
{
	struct state before, after;
	struct wall w;
	pid_t pid;

	ASSERT_EQ(0, wall_open(&w, self->ctl, MQBUS_FULL_BLOCK));
	mq_fork(pid) {
		publish_as(self, 3, w.fd, wall_msgs(&w, 2), EACH);
		_exit(-go(self, MQBUS_WAIT_FOREVER, NULL));
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(1, mq_put(self->out[0], "x", 1, 0));
	EXPECT_EQ(1, mq_put(self->source, "x", 1, 0));
	EXPECT_EQ(1, mq_put_in(w.fd, 0, "x", 1));
	EXPECT_EQ(1, mq_put_in(w.fd, 2, "x", 1));
	EXPECT_EQ(0, mq_commit(self->member, 0, 1));
	EXPECT_EQ(0, settle(self->worker.fd, self->leased[1].lease, MQBUS_ACK, 0));
	before = state(self);
	EXPECT_EQ(0, wall_yield(&w));
	EXPECT_EQ(EALREADY, mq_wait(pid));
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	EXPECT_EQ(w.end[1], mq_end(self->ctl, w.topic, "s", 1));
	wall_close(&w, self->ctl);
}

/* It wakes waiters for its records, and for the space that it frees */
TEST_F(exchange, wakes_others)
{
	struct mqbus_range range;
	struct mqbus_commit_entry entries[PARTS];
	struct mqbus_act act = act_commit(self->member, entries, PARTS);
	pid_t reader, writer;
	char block[2048] = {};
	__u32 p;

	fill_in(self);
	mq_fork(reader) {
		int fd = mq_member(self->to[1], "s", 0);

		_exit(mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER) != 1);
	}
	ASSERT_TRUE(mq_wait_asleep(reader, SYS_ioctl));
	EXPECT_EQ(0, go(self, 0, NULL));
	EXPECT_EQ(0, mq_wait(reader));

	/* A commit that frees space for a waiter */
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	for (p = 0; p < PARTS; p++)
		while (mq_put_in(self->source, p, block, sizeof(block)) == 1)
			;
	while (mq_fetch(self->member, self->ranges, PARTS, 0, 0) > 0)
		;
	mq_fork(writer) {
		_exit(mq_put(self->source, block, sizeof(block), MQBUS_WAIT_FOREVER) != 1);
	}
	ASSERT_TRUE(mq_wait_asleep(writer, SYS_ioctl));
	for (p = 0; p < PARTS; p++)
		entries[p] = (struct mqbus_commit_entry) {
			.partition = p, .offset = mq_end(self->ctl, self->topic, "s", p),
		};
	EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
	EXPECT_EQ(0, mq_wait(writer));
}

/* From a topic to itself, where the room from its own settlement does not count */
TEST_F(exchange, same_topic)
{
	struct mqbus_commit_entry entry = { .partition = 0, .offset = 4 };
	struct mqbus_settle s = { .lease = self->leased[0].lease };
	struct mqbus_msg msg = mq_msg("again", 5);
	struct mqbus_act acts[3];
	struct mqbus_transact args;
	char topic[MQBUS_NAME_SIZE];
	struct worker worker;
	struct mqbus_leased leased;
	char block[900] = {};
	int fd;

	msg.partition = 0;
	acts[0] = act_commit(self->member, &entry, 1);
	acts[1] = act_publish(self->source, &msg, 1);
	acts[2] = act_settle(self->worker.fd, &s, 1);
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 3, 0, &args));
	EXPECT_EQ(4, mq_committed(self->ctl, self->topic, "s", 0));
	EXPECT_EQ(5, mq_end(self->ctl, self->topic, "s", 0));
	EXPECT_EQ(1, FIGURE(self, ACKED));

	mq_name(topic, "circle");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .size = 4096));
	ASSERT_EQ(0, mq_queue(self->ctl, topic, "g", NULL));
	fd = mq_producer(topic, 0);
	while (mq_put(fd, block, sizeof(block), 0) == 1)
		;
	ASSERT_EQ(0, worker_open(&worker, topic, "g", 0));
	ASSERT_EQ(1, take(worker.fd, &leased, 1, 0));
	msg = mq_msg(block, sizeof(block));
	s.lease = leased.lease;
	acts[0] = act_settle(worker.fd, &s, 1);
	acts[1] = act_publish(fd, &msg, 1);
	EXPECT_EQ(-EAGAIN, mq_transact(self->ctl, acts, 2, 0, &args));
	EXPECT_EQ(1, args.failed_act);
	EXPECT_EQ(0, args.failed_element);
	EXPECT_EQ(-ETIMEDOUT, mq_transact(self->ctl, acts, 2, MQ_MS, &args));
	/* It is still leased; settled first, there is room */
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, &args));
	EXPECT_EQ(0, mq_transact(self->ctl, acts + 1, 1, 0, &args));
	worker_close(&worker);
	close(fd);
	mq_delete(self->ctl, topic);
}

/* Read-only memory for places: no record is stored without being reported */
TEST_F(exchange, read_only)
{
	struct mqbus_transact *page = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct state before = state(self), after;
	struct mqbus_transact args;

	fill_in(self);
	memset(page, 0, MQ_PAGE);
	page->count = ACTS;
	page->acts = (uintptr_t)self->x.acts;
	page->act_size = sizeof(struct mqbus_act);
	mprotect(page, MQ_PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, page));
	self->x.acts[SECOND_PUBLISH].places = (uintptr_t)page;
	self->x.acts[SECOND_PUBLISH].place_size = sizeof(struct mqbus_place);
	EXPECT_EQ(-EFAULT, go(self, 0, &args));
	EXPECT_EQ(SECOND_PUBLISH, args.failed_act);
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	munmap(page, MQ_PAGE);
}

enum {
	STUCK_VALUE, STUCK_KEY, STUCK_HEADERS, STUCK_MSGS, STUCK_ENTRIES, STUCK_SETTLES,
	STUCK_PLACES, STUCK_ACTS, STUCK_ARGS, STUCK_ALL
};

static void get_stuck(FIXTURE_DATA(exchange) *self, int where, char *hole)
{
	struct exchange *x = &self->x;

	fill_in(self);
	switch (where) {
	case STUCK_VALUE:
		x->msgs[1][2].value = (uintptr_t)hole;
		break;
	case STUCK_KEY:
		x->msgs[1][2].key = (uintptr_t)hole;
		x->msgs[1][2].key_len = 4;
		break;
	case STUCK_HEADERS:
		x->msgs[1][2].headers = (uintptr_t)hole;
		x->msgs[1][2].headers_len = 8;
		break;
	case STUCK_MSGS:
		x->acts[SECOND_PUBLISH].elements = (uintptr_t)hole;
		break;
	case STUCK_ENTRIES:
		x->acts[COMMIT].elements = (uintptr_t)hole;
		break;
	case STUCK_SETTLES:
		x->acts[SETTLE].elements = (uintptr_t)hole;
		break;
	case STUCK_PLACES:
		x->acts[SECOND_PUBLISH].places = (uintptr_t)hole;
		x->acts[SECOND_PUBLISH].place_size = sizeof(struct mqbus_place);
		break;
	case STUCK_ACTS:
		mq_transact(self->ctl, (void *)hole, ACTS, 0, NULL);
		break;
	default:
		mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, hole);
		break;
	}
	go(self, MQBUS_WAIT_FOREVER, NULL);
}

/* Memory that never arrives: no other call waits, and a killed one leaves nothing */
TEST_F(exchange, nobody_waits_for_the_stuck)
{
	int where, uffd, i;
	struct state before, after;
	__u64 lease;
	pid_t pid;

	for (where = 0; where < STUCK_ALL; where++) {
		before = state(self);
		mq_fork(pid) {
			char *hole = missing_pages(1, &uffd);

			if (!hole)
				_exit(77);
			get_stuck(self, where, hole);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl)) TH_LOG("%d", where);
		/*
		 * A task asleep may wait for a lock; one in a fault stays there while all
		 * others go on
		 */
		for (i = 0; i < 2; i++)
			EXPECT_EQ(1, mq_put(self->out[i], "x", 1, MQ_LONG)) TH_LOG("%d", where);
		EXPECT_EQ(1, mq_put_in(self->source, 0, "x", 1));
		lease = self->leased[EACH].lease;
		EXPECT_TRUE(where ? settle(self->worker.fd, lease, MQBUS_ACK, 0) == -EALREADY :
				    !settle(self->worker.fd, lease, MQBUS_ACK, 0));
		EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "s", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
				     MQBUS_WHENCE_LATEST, 0, NULL, 0));
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG)) TH_LOG("%d", where);
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid)) TH_LOG("%d", where);
		after = state(self);
		EXPECT_EQ(before.end[0][0] + 1, after.end[0][0]) TH_LOG("%d", where);
		EXPECT_EQ(before.end[1][0] + 1, after.end[1][0]) TH_LOG("%d", where);
		EXPECT_EQ(before.committed[2], after.committed[2]) TH_LOG("%d", where);
		EXPECT_EQ(before.queue[0] + !where, after.queue[0]) TH_LOG("%d", where);
	}
}

TEST_HARNESS_MAIN
