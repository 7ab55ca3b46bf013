// SPDX-License-Identifier: GPL-2.0
/*
 * Events: each is sent once, to listeners that may know of it.
 */
#include "queue.h"
#include "stream.h"

/* Bytes of events that were sent and not read yet */
#define ROOM	(4 << 20)

#define KIND(name)	MQBUS_EVENT_KIND_##name

struct event {
	__u64 number[MQBUS_A_EVENT_MAX + 1];
	bool has[MQBUS_A_EVENT_MAX + 1];
	char text[MQBUS_A_EVENT_MAX + 1][MQBUS_NAME_SIZE];
};

/* Return: a socket that gets events, or a negative errno. */
static int listen_events(int room)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct timeval patience = { .tv_sec = 10 * mq_slow() };
	struct family f;
	int err = sock < 0 ? -errno : family_find(sock, &f);

	if (err < 0)
		return err;
	/* A user without rights creates and deletes */
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &f.events, sizeof(f.events))) {
		err = -errno;
		close(sock);
		return err;
	}
	return sock;
}

static int parse_event(const struct nlmsghdr *head, struct event *e)
{
	const struct nlattr *a;
	int left;

	memset(e, 0, sizeof(*e));
	for_each_attr(a, (const char *)head + NLMSG_HDRLEN + GENL_HDRLEN,
		      head->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, left) {
		int type = a->nla_type & NLA_TYPE_MASK;

		if (type > MQBUS_A_EVENT_MAX)
			return -EPROTO;
		e->has[type] = true;
		switch (type) {
		case MQBUS_A_EVENT_TOPIC:
		case MQBUS_A_EVENT_GROUP:
		case MQBUS_A_EVENT_MEMBER:
		case MQBUS_A_EVENT_COMM:
		case MQBUS_A_EVENT_REASON:
			snprintf(e->text[type], MQBUS_NAME_SIZE, "%s", (const char *)(a + 1));
			break;
		default:
			e->number[type] = attr_number(a);
		}
	}
	return e->number[MQBUS_A_EVENT_KIND];
}

/* The kind of the next event, or a negative errno */
static int next_event(int sock, struct event *e, int flags)
{
	char buf[4096];
	const struct nlmsghdr *head = (void *)buf;
	ssize_t n = recv(sock, buf, sizeof(buf), flags);

	if (n < 0)
		return -errno;
	if (((const struct genlmsghdr *)NLMSG_DATA(head))->cmd != MQBUS_CMD_EVENT)
		return -EPROTO;
	return parse_event(head, e);
}

static const int who_fields[] = { MQBUS_A_EVENT_PID, MQBUS_A_EVENT_COMM, MQBUS_A_EVENT_UID };

/* The next event has that kind, is of this topic and, if it has a group, of "g". */
#define expect(sock, e, kind) do {						\
	EXPECT_EQ(KIND(kind), next_event(sock, e, 0));				\
	EXPECT_STREQ(self->topic, (e)->text[MQBUS_A_EVENT_TOPIC]);		\
	if ((e)->has[MQBUS_A_EVENT_GROUP])					\
		EXPECT_STREQ("g", (e)->text[MQBUS_A_EVENT_GROUP]);		\
} while (0)

#define expect_me(e) do {							\
	unsigned int _i;							\
										\
	for (_i = 0; _i < 3; _i++)						\
		EXPECT_TRUE((e)->has[who_fields[_i]]);				\
	EXPECT_EQ(getpid(), (e)->number[MQBUS_A_EVENT_PID]);			\
	EXPECT_EQ(0, (e)->number[MQBUS_A_EVENT_UID]);				\
	EXPECT_STREQ(mq_comm(), (e)->text[MQBUS_A_EVENT_COMM]);			\
} while (0)

#define NUMBER(name)	(e.number[MQBUS_A_EVENT_##name])

/* A work sends queued events, so silence is only certain behind another event. */
#define expect_silence(sock) do {						\
	char _name[MQBUS_NAME_SIZE];						\
	struct event _e;							\
										\
	mq_name(_name, "silence");						\
	ASSERT_EQ(0, mq_create(self->ctl, _name, .mode = 0666));		\
	EXPECT_EQ(KIND(TOPIC_MADE), next_event(sock, &_e, 0));			\
	EXPECT_STREQ(_name, _e.text[MQBUS_A_EVENT_TOPIC]);			\
	ASSERT_EQ(0, mq_delete(self->ctl, _name));				\
	EXPECT_EQ(KIND(TOPIC_DELETED), next_event(sock, &_e, 0));		\
} while (0)

FIXTURE(event) {
	int ctl;
	int sock;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(event)
{
	mq_name(self->topic, "event");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	self->sock = listen_events(ROOM);
	ASSERT_LE(0, self->sock);
}

FIXTURE_TEARDOWN(event)
{
	mq_delete(self->ctl, self->topic);
	close(self->sock);
	close(self->ctl);
}

TEST_F(event, topics_and_groups)
{
	__u64 before = mq_clock(CLOCK_REALTIME);
	struct event e;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	expect(self->sock, &e, TOPIC_MADE);
	EXPECT_LE(before, NUMBER(TIME));
	EXPECT_GE(mq_clock(CLOCK_REALTIME), NUMBER(TIME));
	/* A failed call sends no event */
	ASSERT_EQ(-EEXIST, mq_create(self->ctl, self->topic));
	ASSERT_EQ(-ENOENT, mq_delete(self->ctl, "nosuch"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
		expect(self->sock, &e, GROUP_MADE);
		EXPECT_TRUE(e.has[MQBUS_A_EVENT_GROUP]);
		ASSERT_EQ(-EEXIST, mq_group(self->ctl, self->topic, "g"));
		if (i)
			break;
		ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
		expect(self->sock, &e, GROUP_DELETED);
	}
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	expect(self->sock, &e, GROUP_DELETED);
	expect(self->sock, &e, TOPIC_DELETED);
	EXPECT_FALSE(e.has[MQBUS_A_EVENT_GROUP]);
	expect_silence(self->sock);
}

TEST_F(event, members)
{
	struct mqbus_range range[4];
	int a, b, fd, i;
	struct event e;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 4));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g", .grace = 0));
	expect(self->sock, &e, TOPIC_MADE);
	expect(self->sock, &e, GROUP_MADE);
	a = mq_member_as(self->topic, "g", "ann", 0);
	ASSERT_LE(0, a);
	expect(self->sock, &e, MEMBER_JOINED);
	expect_me(&e);
	EXPECT_STREQ("ann", e.text[MQBUS_A_EVENT_MEMBER]);
	expect(self->sock, &e, REBALANCED);
	EXPECT_EQ(4, NUMBER(COUNT));
	EXPECT_EQ(4, NUMBER(GENERATION));
	b = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	EXPECT_FALSE(e.has[MQBUS_A_EVENT_MEMBER]);
	expect(self->sock, &e, REBALANCED);
	EXPECT_EQ(2, NUMBER(COUNT));
	close(b);
	expect(self->sock, &e, MEMBER_LEFT);
	expect_me(&e);
	EXPECT_EQ(0, NUMBER(COUNT));
	expect(self->sock, &e, REBALANCED);
	EXPECT_EQ(2, NUMBER(COUNT));

	/* Another member joins with the same id */
	b = mq_member_as(self->topic, "g", "ann", 0);
	expect(self->sock, &e, MEMBER_FENCED);
	EXPECT_STREQ("ann", e.text[MQBUS_A_EVENT_MEMBER]);
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	EXPECT_EQ(4, NUMBER(COUNT));
	close(a);	/* the member was told */

	fd = mq_producer(self->topic, 0);
	for (i = 0; i < 7; i++)
		ASSERT_EQ(1, mq_put_in(fd, i % 2, "x", 1));
	ASSERT_EQ(2, mq_fetch(b, range, 4, 0, 0));
	ASSERT_EQ(0, mq_commit(b, 0, 1));
	close(b);
	expect(self->sock, &e, MEMBER_DIED);
	EXPECT_EQ(6, NUMBER(COUNT));

	/* Not in time */
	a = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	ASSERT_EQ(2, mq_fetch(a, range, 4, 0, 0));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 3,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	expect(self->sock, &e, MEMBER_FENCED);
	expect_me(&e);
	expect_silence(self->sock);
	close(a);
	expect(self->sock, &e, MEMBER_LEFT);
	close(fd);
}

TEST_F(event, workers)
{
	struct mqbus_leased leased[4];
	char dlq[MQBUS_NAME_SIZE];
	int fd, worker, i;
	struct event e;

	mq_name(dlq, "dlq");
	ASSERT_EQ(0, mq_create(self->ctl, dlq, .size = 1 << 20));
	EXPECT_EQ(KIND(TOPIC_MADE), next_event(self->sock, &e, 0));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", dlq, .max_attempts = 1));
	expect(self->sock, &e, TOPIC_MADE);
	expect(self->sock, &e, GROUP_MADE);
	fd = mq_producer(self->topic, 0);
	put_numbers(fd, 0, 5);
	worker = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	expect_me(&e);
	ASSERT_EQ(4, take(worker, leased, 4, 0));
	ASSERT_EQ(0, settle(worker, leased[0].lease, MQBUS_ACK, 0));
	ASSERT_EQ(0, settle(worker, leased[1].lease, MQBUS_REJECT, 0));
	expect(self->sock, &e, DEAD_LETTER);
	EXPECT_EQ(0, NUMBER(PARTITION));
	EXPECT_EQ(1, NUMBER(OFFSET));
	EXPECT_STREQ("rejected", e.text[MQBUS_A_EVENT_REASON]);
	ASSERT_EQ(0, settle(worker, leased[2].lease, MQBUS_NACK, 0));
	expect(self->sock, &e, DEAD_LETTER);
	EXPECT_EQ(2, NUMBER(OFFSET));
	EXPECT_STREQ("nack", e.text[MQBUS_A_EVENT_REASON]);
	close(worker);
	expect(self->sock, &e, MEMBER_DIED);
	EXPECT_EQ(1, NUMBER(COUNT));
	expect(self->sock, &e, DEAD_LETTER);
	EXPECT_EQ(3, NUMBER(OFFSET));
	EXPECT_STREQ("died", e.text[MQBUS_A_EVENT_REASON]);
	worker = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	close(worker);
	expect(self->sock, &e, MEMBER_LEFT);
	expect_silence(self->sock);

	/* Many at once, each kind in its order */
	put_numbers(fd, 5, 500);
	worker = mq_member(self->topic, "g", 0);
	for (i = 4; i < 500; i++) {
		ASSERT_EQ(1, take(worker, leased, 1, 0));
		ASSERT_EQ(0, settle(worker, leased[0].lease, MQBUS_REJECT, 0));
	}
	expect(self->sock, &e, MEMBER_JOINED);
	for (i = 4; i < 500; i++) {
		ASSERT_EQ(KIND(DEAD_LETTER), next_event(self->sock, &e, 0));
		ASSERT_EQ(i, NUMBER(OFFSET));
	}
	close(worker);
	close(fd);
	EXPECT_EQ(0, mq_delete(self->ctl, dlq));
}

TEST_F(event, lost)
{
	struct mqbus_range range;
	int fd, member;
	struct event e;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	expect(self->sock, &e, TOPIC_MADE);
	expect(self->sock, &e, GROUP_MADE);
	fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	/* 56 fit */
	put_numbers(fd, 0, 100);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	expect(self->sock, &e, LOST);
	EXPECT_EQ(44, NUMBER(COUNT));
	EXPECT_EQ(0, NUMBER(PARTITION));
	put_numbers(fd, 100, 101);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	expect_silence(self->sock);
	put_numbers(fd, 101, 200);
	EXPECT_EQ(144, read_number(member));
	expect(self->sock, &e, LOST);
	EXPECT_EQ(43, NUMBER(COUNT));
	close(member);
	close(fd);
}

static int set_lag_threshold(int ctl, const char *topic, __u64 limit)
{
	return mq_group_set(ctl, topic, "g", MQBUS_GROUP_SET_LAG_THRESHOLD,
			    .lag_threshold = limit);
}

/* An expired group is told of by an event of its own */
TEST_F(event, expired)
{
	struct event e;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	expect(self->sock, &e, TOPIC_MADE);
	ASSERT_EQ(0, mq_group_make(self->ctl, self->topic, "g", .expire = 1));
	expect(self->sock, &e, GROUP_MADE);
	expect(self->sock, &e, GROUP_EXPIRED);
	ASSERT_EQ(0, mq_group_make(self->ctl, self->topic, "g", .flags = MQBUS_GROUP_F_EPHEMERAL));
	expect(self->sock, &e, GROUP_MADE);
	close(mq_member(self->topic, "g", 0));
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	expect(self->sock, &e, MEMBER_LEFT);
	expect(self->sock, &e, GROUP_EXPIRED);
}

/* Read what is there, or wait for one event, and count by group who is above. Return: how many */
static int count_above(int sock, bool wait, int *above)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	struct event e;
	int kind, n = 0;

	if (wait && poll(&pfd, 1, 60000) != 1)
		return -ETIMEDOUT;
	while ((kind = next_event(sock, &e, MSG_DONTWAIT)) >= 0) {
		if (kind == MQBUS_EVENT_KIND_LAG_ABOVE) {
			above[atoi(e.text[MQBUS_A_EVENT_GROUP])]++;
			n++;
		}
	}
	return kind == -EAGAIN ? n : kind;
}

/* More groups than a second allows are looked at in turn: each is reported, once */
TEST_F_TIMEOUT(event, lag_of_many, 120)
{
	enum { TOPICS = 2, GROUPS = 50, ALL = TOPICS * GROUPS, PARTS = 1024 };
	char topics[TOPICS][MQBUS_NAME_SIZE], name[16];
	int above[ALL] = {}, fd = -1, i, n = 0, more;

	for (i = 0; i < ALL; i++) {
		char *topic = topics[i / GROUPS];

		if (i % GROUPS == 0) {
			mq_name(topic, i ? "b" : "a");
			ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = PARTS,
					       .size = 4096));
			fd = mq_producer(topic, 0);
			put_numbers(fd, 0, 2);
			close(fd);
		}
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_EQ(0, mq_group(self->ctl, topic, name));
		ASSERT_EQ(0, mq_group_set(self->ctl, topic, name, MQBUS_GROUP_SET_LAG_THRESHOLD,
					  .lag_threshold = 1));
		more = count_above(self->sock, false, above);
		ASSERT_LE(0, more);
		n += more;
	}
	while (n < ALL) {
		more = count_above(self->sock, true, above);
		ASSERT_LE(0, more) TH_LOG("%d of %d groups are above", n, ALL);
		n += more;
	}
	for (i = 0; i < ALL; i++)
		EXPECT_EQ(1, above[i]);
	for (i = 0; i < TOPICS; i++)
		mq_delete(self->ctl, topics[i]);
}

TEST_F(event, lag)
{
	struct mqbus_range range;
	struct event e;
	int fd, member, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	expect(self->sock, &e, TOPIC_MADE);
	expect(self->sock, &e, GROUP_MADE);
	fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	ASSERT_EQ(0, set_lag_threshold(self->ctl, self->topic, 10));
	put_numbers(fd, 0, 11);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	for (i = 0; i < 2; i++) {
		expect(self->sock, &e, LAG_ABOVE);
		EXPECT_EQ(11, NUMBER(LAG));
		EXPECT_EQ(10, NUMBER(LIMIT));
		/* A limit that is set again starts over, so the next query sends an event */
		if (!i)
			ASSERT_EQ(0, set_lag_threshold(self->ctl, self->topic, 10));
	}
	/* 8 is not below 80 percent of 10, and sends no event; 7 is, and sends one */
	ASSERT_EQ(0, mq_commit(member, 0, 3));
	mq_sleep(1500 * MQ_MS);
	ASSERT_EQ(0, mq_commit(member, 0, 4));
	expect(self->sock, &e, LAG_BELOW);
	EXPECT_EQ(7, NUMBER(LAG));
	ASSERT_EQ(0, set_lag_threshold(self->ctl, self->topic, 0));
	put_numbers(fd, 11, 50);
	mq_sleep(1500 * MQ_MS);
	expect_silence(self->sock);
	close(fd);
	close(member);
	expect(self->sock, &e, MEMBER_DIED);
}

TEST_F(event, blocked)
{
	struct mqbus_range range;
	int fd, member;
	struct event e;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	expect(self->sock, &e, TOPIC_MADE);
	expect(self->sock, &e, GROUP_MADE);
	fd = mq_producer(self->topic, 0);
	put_numbers(fd, 0, 56);
	mq_fork(pid)
		put_numbers(mq_producer(self->topic, 0), 56, 57);
	/* put_numbers() does not wait */
	EXPECT_EQ(128 + SIGABRT, mq_wait(pid));
	mq_fork(pid) {
		__u64 v = 56;

		if (mq_put(mq_producer(self->topic, 0), &v, sizeof(v), MQBUS_WAIT_FOREVER) != 1)
			_exit(1);
	}
	expect(self->sock, &e, PRODUCER_BLOCKED);
	EXPECT_EQ(pid, NUMBER(PID));
	EXPECT_STREQ(mq_comm(), e.text[MQBUS_A_EVENT_COMM]);
	EXPECT_STREQ("full", e.text[MQBUS_A_EVENT_REASON]);
	EXPECT_LE(MQ_SEC, NUMBER(BLOCKED_TIME));
	member = mq_member(self->topic, "g", 0);
	expect(self->sock, &e, MEMBER_JOINED);
	expect(self->sock, &e, REBALANCED);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	EXPECT_EQ(0, mq_wait(pid));
	expect_silence(self->sock);
	close(member);
	close(fd);
}

TEST_F(event, too_slow)
{
	int slow = listen_events(1), kind, i;
	char name[MQBUS_NAME_SIZE];
	struct event e;

	ASSERT_LE(0, slow);
	mq_name(name, "again");
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, mq_create(self->ctl, name));
		ASSERT_EQ(0, mq_delete(self->ctl, name));
		EXPECT_EQ(KIND(TOPIC_MADE), next_event(self->sock, &e, 0));
		EXPECT_EQ(KIND(TOPIC_DELETED), next_event(self->sock, &e, 0));
	}
	/* The loss comes first, then the events that had room */
	EXPECT_EQ(-ENOBUFS, next_event(slow, &e, MSG_DONTWAIT));
	for (i = 0; (kind = next_event(slow, &e, MSG_DONTWAIT)) >= 0; i++)
		EXPECT_EQ(i % 2 ? KIND(TOPIC_DELETED) : KIND(TOPIC_MADE), kind);
	EXPECT_EQ(-EAGAIN, kind);
	EXPECT_GT(200, i);
	/* Later events come again */
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	expect(slow, &e, TOPIC_MADE);
	close(slow);
}

/* Events that a user without rights gets: the names of topics, up to one called "end" */
static int hear(const char * const name[], int max)
{
	int sock = listen_events(ROOM), n, kind;
	struct event e;

	if (sock < 0)
		return sock;
	if (write(STDERR_FILENO, "", 0) < 0 || raise(SIGSTOP))
		return -EIO;
	for (n = 0;; n++) {
		kind = next_event(sock, &e, 0);
		if (kind < 0)
			return kind;
		if (!strcmp(e.text[MQBUS_A_EVENT_TOPIC], "end"))
			return n == max ? 0 : -ERANGE;
		if (n == max || strcmp(e.text[MQBUS_A_EVENT_TOPIC], name[n]))
			return -EBADMSG;
	}
}

TEST_F(event, only_who_may_know)
{
	static const char * const names[] = { "private", "public", "his", "hisgroup" };
	static const char * const heard[] = {
		"public", "public", "public", "public", "his", "his",
	};
	int status, i;
	pid_t pid;

	mq_fork(pid) {
		if (mq_become(61001, 61001))
			_exit(99);
		_exit(-hear(heard, 6));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	if (WIFEXITED(status)) {
		/* A kernel that cannot tell listeners apart lets only root listen */
		EXPECT_EQ(EPERM, WEXITSTATUS(status));
		SKIP(return, "this kernel lets only root listen");
	}
	ASSERT_EQ(0, mq_create(self->ctl, "private", .mode = 0660));
	ASSERT_EQ(0, mq_create(self->ctl, "public", .mode = 0604));
	ASSERT_EQ(0, mq_group_create(self->ctl, "public", "secret", 0, 0, 0660));
	ASSERT_EQ(0, mq_group_create(self->ctl, "public", "open", 0, 0, 0604));
	ASSERT_EQ(0, mq_delete(self->ctl, "public"));
	ASSERT_EQ(0, mq_create(self->ctl, "his", .mode = 0600, .uid = 61001));
	ASSERT_EQ(0, mq_group_create(self->ctl, "his", "secret", 0, 0, 0600));
	ASSERT_EQ(0, mq_create(self->ctl, "end", .mode = 0604));
	kill(pid, SIGCONT);
	/*
	 * public: created, a group created, two groups deleted, one of which the user may know
	 * of, deleted
	 */
	EXPECT_EQ(0, mq_wait(pid));
	for (i = 0; i < 4; i++)
		mq_delete(self->ctl, names[i]);
	mq_delete(self->ctl, "end");
}

TEST_F(event, another_bus)
{
	struct event e;
	pid_t pid;

	mq_fork(pid) {
		int sock, ctl;

		if (unshare(CLONE_NEWNET))
			_exit(99);
		sock = listen_events(ROOM);
		ctl = mq_open(0);
		if (mq_create(ctl, "theirs") || next_event(sock, &e, 0) != KIND(TOPIC_MADE))
			_exit(1);
	}
	EXPECT_EQ(0, mq_wait(pid));
	expect_silence(self->sock);
	EXPECT_EQ(-EAGAIN, next_event(self->sock, &e, MSG_DONTWAIT));
}

TEST_HARNESS_MAIN
