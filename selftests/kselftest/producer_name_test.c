// SPDX-License-Identifier: GPL-2.0
/*
 * Named producers: what a restarted one learns, who may open a name, and who is charged.
 */
#include <sys/resource.h>

#include "fault.h"
#include "producer.h"
#include "publish.h"

TEST_F(publish, reopen_tells_the_last)
{
	const struct mqbus_record *rec;
	struct mqbus_produce first, again, other, none;
	int fd;

	begin(self, .partitions = 2);
	fd = open_named(self->topic, "p", &first);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, first.epoch);
	EXPECT_EQ(0, first.last_seq);
	EXPECT_EQ(1, mq_put_in(fd, 0, "a", 1));
	EXPECT_EQ(1, mq_put_in(fd, 1, "b", 1));
	EXPECT_EQ(1, write(fd, "c", 1));
	close(fd);

	fd = open_named(self->topic, "p", &again);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, again.epoch);
	EXPECT_EQ(3, again.last_seq);
	EXPECT_EQ(first.producer, again.producer);
	mq_drain(&self->reader);
	EXPECT_EQ(1, mq_put(fd, "d", 1, 0));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(4, rec->seq);
	EXPECT_EQ(2, rec->epoch);
	EXPECT_EQ(first.producer, rec->producer);
	close(fd);

	/* Another name, and the same name in another topic, are others */
	fd = open_named(self->topic, "q", &other);
	EXPECT_EQ(1, other.epoch);
	EXPECT_EQ(0, other.last_seq);
	EXPECT_NE(first.producer, other.producer);
	close(fd);
	fd = open_named(self->topic, "", &none);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, none.epoch);
	EXPECT_EQ(0, none.last_seq);
	EXPECT_EQ(1, mq_put(fd, "e", 1, 0));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(1, rec->seq);
	EXPECT_EQ(0, rec->epoch);
	EXPECT_EQ(0, rec->__owner);
	close(fd);
}

TEST_F(publish, arguments_of_names)
{
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_produce args = {};
	struct mqbus_publish pub;
	int fd = mq_open(0);

	begin(self);
	EXPECT_EQ(-EILSEQ, bind_named(fd, self->topic, "-p", &args));
	EXPECT_EQ(-EILSEQ, bind_named(fd, self->topic, "p/q", &args));
	memset(args.name, 'x', sizeof(args.name));
	EXPECT_EQ(-ENAMETOOLONG, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	/* The absence of a name has one spelling only */
	mq_set_name(args.name, "");
	args.name[5] = 'x';
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	mq_set_name(args.name, "p");
	args.__reserved2 = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	args.__reserved2 = 0;
	args.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	args.__reserved = 0;
	args.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	/* None of these calls opened it */
	ASSERT_EQ(0, bind_named(fd, self->topic, "p", &args));
	EXPECT_EQ(1, args.epoch);
	EXPECT_EQ(-EBADFD, bind_named(fd, self->topic, "p", &args));

	EXPECT_EQ(-EINVAL, publish_from(self->fd, &msg, 1, 1, NULL, 0, &pub));
	pub.seq = 0;
	pub.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_PUBLISH, &pub));
	EXPECT_EQ(NULL, next(self));
	close(fd);
}

TEST_F(publish, duplicates_and_gaps)
{
	struct mqbus_msg msgs[400];
	struct mqbus_place places[400];
	struct mqbus_produce args;
	struct mqbus_publish pub;
	unsigned int i, n;
	__u64 seen = 0;
	const struct mqbus_record *rec;
	int fd;

	begin(self, .partitions = 4);
	fd = open_named(self->topic, "p", &args);
	ASSERT_LE(0, fd);
	for (i = 0; i < 400; i++) {
		msgs[i] = mq_msg("0123456789", 10);
		msgs[i].partition = i / 3 % 4;
	}
	EXPECT_EQ(-EPROTO, publish_from(fd, msgs, 1, 2, places, 0, &pub));
	EXPECT_EQ(-EPROTO, publish_from(fd, msgs, 1, ~0ULL, places, 0, &pub));
	EXPECT_EQ(-EPROTO, publish_from(fd, msgs, 4, ~0ULL - 1, places, 0, &pub));
	ASSERT_EQ(0, publish_from(fd, msgs, 150, 1, places, 0, &pub));
	EXPECT_EQ(150, pub.published);
	EXPECT_EQ(0, pub.duplicates);

	/* The first 50 of the batch were stored before, in many pages and partitions */
	ASSERT_EQ(0, publish_from(fd, msgs, 300, 101, places, 0, &pub));
	EXPECT_EQ(300, pub.published);
	EXPECT_EQ(50, pub.duplicates);
	EXPECT_EQ(0, pub.error);
	for (i = 0; i < 300; i++) {
		EXPECT_EQ(i < 50 ? MQBUS_ANY : i / 3 % 4, places[i].partition);
		EXPECT_EQ(0, places[i].__reserved);
		EXPECT_EQ(i < 50, places[i].offset == ~0ULL);
		EXPECT_TRUE(i < 50 || places[i].offset < 400);
	}
	/* All, and without room for their places; then a gap */
	ASSERT_EQ(0, publish_from(fd, msgs, 400, 1, NULL, 0, &pub));
	EXPECT_EQ(400, pub.published);
	EXPECT_EQ(400, pub.duplicates);
	EXPECT_EQ(-EPROTO, publish_from(fd, msgs, 10, 402, places, 0, &pub));
	/* Without a number it goes on */
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	ASSERT_EQ(0, publish_from(fd, msgs, 2, 401, places, 0, &pub));
	EXPECT_EQ(1, pub.duplicates);

	/* Each number exactly once */
	for (n = 0; (rec = next(self)); n++)
		seen += rec->seq;
	EXPECT_EQ(402, n);
	EXPECT_EQ(402 * 403 / 2, seen);
	close(fd);
}

/* A full topic holds up new records, but not duplicates */
TEST_F(publish, duplicates_need_no_room)
{
	struct mqbus_msg msgs[110];
	struct mqbus_place places[110];
	struct mqbus_produce args;
	struct mqbus_publish pub;
	int fd, i, n;

	begin(self, .size = 4096);
	fd = open_named(self->topic, "p", &args);
	for (i = 0; i < 110; i++)
		msgs[i] = mq_msg("0123456789", 10);
	ASSERT_EQ(0, publish_from(fd, msgs, 110, 1, places, 0, &pub));
	n = pub.published;
	EXPECT_EQ(EAGAIN, pub.error);
	EXPECT_EQ(4096 / 80, n);
	ASSERT_EQ(0, publish_from(fd, msgs, 110, 1, places, 0, &pub));
	EXPECT_EQ(n, pub.published);
	EXPECT_EQ(n, pub.duplicates);
	EXPECT_EQ(EAGAIN, pub.error);
	mq_drain(&self->reader);
	ASSERT_EQ(0, publish_from(fd, msgs, 110, 1, places, 0, &pub));
	EXPECT_EQ(2 * n, pub.published);
	EXPECT_EQ(n, pub.duplicates);
	close(fd);
}

TEST_F(publish, a_name_has_an_owner)
{
	int alice = open_by(ALICE), bob = open_by(BOB), fd;
	struct mqbus_produce args;

	begin(self, .mode = 0622);
	ASSERT_EQ(0, bind_named(alice, self->topic, "p", &args));
	EXPECT_EQ(-EPERM, bind_named(bob, self->topic, "p", &args));
	/* And the attempt does not fence it; also not while the name is closed */
	EXPECT_EQ(1, mq_put(alice, "x", 1, 0));
	close(alice);
	EXPECT_EQ(-EPERM, bind_named(bob, self->topic, "p", &args));
	/* That attempt left bob's endpoint unbound */
	EXPECT_EQ(0, bind_named(bob, self->topic, "q", &args));
	EXPECT_EQ(1, args.epoch);
	/* A capability helps; the owner stays */
	fd = open_named(self->topic, "p", &args);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, args.epoch);
	EXPECT_EQ(1, args.last_seq);
	close(fd);
	alice = open_by(ALICE);
	EXPECT_EQ(0, bind_named(alice, self->topic, "p", &args));
	EXPECT_EQ(3, args.epoch);
	close(alice);
	close(bob);
}

TEST_F(publish, names_are_charged)
{
	struct mqbus_produce args;
	__u64 before, endpoint, one, used;
	int fd, old;

	begin(self);
	before = mq_used(self->ctl);
	fd = open_named(self->topic, "", &args);
	endpoint = mq_used(self->ctl) - before;
	close(fd);
	old = open_named(self->topic, "p", &args);
	one = mq_used(self->ctl) - before - endpoint;
	EXPECT_LT(MQBUS_NAME_SIZE, one);
	/* Once for each name, also while it is closed */
	fd = open_named(self->topic, "p", &args);
	used = before + 2 * endpoint + one;
	EXPECT_EQ(used, mq_used(self->ctl));
	close(open_named(self->topic, "q", &args));
	EXPECT_EQ(used + one, mq_used(self->ctl));
	/* Over the limit no name changes its holder */
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), mq_used(self->ctl)));
	EXPECT_EQ(-ENOSPC, open_named(self->topic, "r", &args));
	EXPECT_EQ(used + one, mq_used(self->ctl));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), 64 << 20));
	/* Deleted with the topic: an open name is charged until it is closed */
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(-EIDRM, mq_put(fd, "x", 1, 0));
	mq_reader_close(&self->reader);
	self->reader.fd = -1;
	self->reader.parts = 0;
	close(self->fd);
	self->fd = -1;
	close(fd);
	EXPECT_LT(0, mq_used(self->ctl));
	close(old);
	EXPECT_EQ(0, mq_left(self->ctl));
}

static void number_name(char name[MQBUS_NAME_SIZE], unsigned int i)
{
	memset(name, 0, MQBUS_NAME_SIZE);
	snprintf(name, MQBUS_NAME_SIZE, "n%u", i);
}

/* Return: the epoch, or a negative errno. */
static int touch_name(const char *topic, unsigned int i, int *fd)
{
	char name[MQBUS_NAME_SIZE];
	struct mqbus_produce args;
	int new;

	number_name(name, i);
	new = open_named(topic, name, &args);
	if (new < 0)
		return new;
	if (fd)
		*fd = new;
	else
		close(new);
	return args.epoch;
}

TEST_F(publish, the_name_closed_longest_ago_goes)
{
	struct rlimit files = { 4096, 4096 };
	static int fds[MQBUS_PRODUCERS_MAX];
	unsigned int i;
	__u64 used, endpoint;
	int fenced, held;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	begin(self);
	used = mq_used(self->ctl);
	held = mq_producer(self->topic, 0);
	endpoint = mq_used(self->ctl) - used;
	close(held);
	ASSERT_EQ(1, touch_name(self->topic, 0, &held));
	ASSERT_EQ(1, touch_name(self->topic, 1, &fenced));
	for (i = 1; i < MQBUS_PRODUCERS_MAX; i++)
		ASSERT_EQ(1 + (i == 1), touch_name(self->topic, i, NULL));
	/* 2 is closed again, so 1 is the oldest, 3 the next; 0 is open */
	ASSERT_EQ(2, touch_name(self->topic, 2, NULL));
	used = mq_used(self->ctl);
	ASSERT_EQ(1, touch_name(self->topic, 5000, NULL));
	/* A fenced one keeps its memory, but not its name */
	EXPECT_LT(used, mq_used(self->ctl));
	EXPECT_EQ(-ENOLINK, mq_put(fenced, "x", 1, 0));
	close(fenced);
	used -= endpoint;
	EXPECT_EQ(used, mq_used(self->ctl));
	ASSERT_EQ(1, touch_name(self->topic, 5001, NULL));
	EXPECT_EQ(1, mq_put(held, "x", 1, 0));
	EXPECT_EQ(3, touch_name(self->topic, 2, NULL));
	EXPECT_EQ(2, touch_name(self->topic, 4, NULL));
	EXPECT_EQ(1, touch_name(self->topic, 3, NULL));
	EXPECT_EQ(used, mq_used(self->ctl));

	/* All of them open */
	for (i = 0; i < MQBUS_PRODUCERS_MAX - 1; i++)
		ASSERT_LE(1, touch_name(self->topic, 6000 + i, &fds[i]));
	EXPECT_EQ(-EMFILE, touch_name(self->topic, 7999, NULL));
	EXPECT_EQ(2, touch_name(self->topic, 6000, NULL));
	/* That closed it: fenced before, it is the only one that may go */
	EXPECT_EQ(1, touch_name(self->topic, 7999, NULL));
	EXPECT_EQ(-ENOLINK, mq_put(fds[0], "x", 1, 0));
	EXPECT_EQ(1, mq_put(fds[1], "x", 1, 0));
	for (i = 0; i < MQBUS_PRODUCERS_MAX - 1; i++)
		close(fds[i]);
	close(held);
}

/* As open_by(), without any capability */
static int open_plain(uid_t uid)
{
	int fd;

	if (seteuid(uid))
		return -errno;
	fd = mq_open(0);
	return seteuid(0) ? -errno : fd;
}

/* As touch_name(), for a uid */
static int touch_name_by(uid_t uid, const char *topic, unsigned int i, int *fd)
{
	struct mqbus_produce args = {};
	char name[MQBUS_NAME_SIZE];
	int new = open_plain(uid), err;

	number_name(name, i);
	err = bind_named(new, topic, name, &args);
	if (err || !fd)
		close(new);
	else
		*fd = new;
	return err ?: args.epoch;
}

/* However many names a uid has, others keep theirs, and get new ones */
TEST_F(publish, names_of_others_stay)
{
	struct rlimit files = { 4096, 4096 };
	static int fds[MQBUS_PRODUCERS_MAX];
	struct mqbus_produce args = {};
	int bob = open_plain(BOB), i, n, epoch = 0;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	begin(self, .mode = 0622);
	ASSERT_EQ(0, bind_named(bob, self->topic, "p", &args));
	EXPECT_EQ(1, mq_put(bob, "x", 1, 0));
	close(bob);
	for (i = 0; i < 2 * MQBUS_PRODUCERS_MAX; i++)
		ASSERT_EQ(1, touch_name_by(ALICE, self->topic, i, NULL));
	/* As many of them as are left for others */
	EXPECT_EQ(2, touch_name_by(ALICE, self->topic,
				   2 * MQBUS_PRODUCERS_MAX - MQBUS_PRODUCERS_MAX / 2 + 1, NULL));
	EXPECT_EQ(1, touch_name_by(ALICE, self->topic, MQBUS_PRODUCERS_MAX, NULL));
	for (n = 0; n < MQBUS_PRODUCERS_MAX && epoch >= 0; n += epoch >= 0)
		epoch = touch_name_by(ALICE, self->topic, 20000 + n, &fds[n]);
	EXPECT_EQ(-EMFILE, epoch);
	EXPECT_EQ(MQBUS_PRODUCERS_MAX / 2, n);
	EXPECT_EQ(1, touch_name_by(BOB, self->topic, 0, NULL));
	for (i = 0; i < n; i++)
		close(fds[i]);
	/*
	 * With a capability as many as there can be: the uid with the most gives one to a uid
	 * with few
	 */
	for (i = 0; i < 2 * MQBUS_PRODUCERS_MAX; i++)
		ASSERT_EQ(1, touch_name(self->topic, 10000 + i, NULL));
	EXPECT_EQ(1, touch_name_by(BOB, self->topic, 1, NULL));
	EXPECT_EQ(2, touch_name_by(BOB, self->topic, 0, NULL));
	bob = open_plain(BOB);
	ASSERT_EQ(0, bind_named(bob, self->topic, "p", &args));
	EXPECT_EQ(2, args.epoch);
	EXPECT_EQ(1, args.last_seq);
	close(bob);
}

TEST_HARNESS_MAIN
