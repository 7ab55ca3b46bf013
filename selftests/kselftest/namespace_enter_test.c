// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints that enter the bus of another network namespace: by what descriptor, when, with which
 * rights, and who pays.
 */
#include <stdatomic.h>

#include "container.h"
#include "topic.h"
#include "transact.h"

/* A namespace of its own for what follows. Return: a descriptor of the one before */
static int go_away(void)
{
	int home = own_netns();

	return unshare(CLONE_NEWNET) ? -errno : home;
}

static int bind_entered(int netns, const char *topic)
{
	int fd = mq_open(0);

	return mq_bound(fd, enter(fd, netns) ?: mq_bind_producer(fd, topic));
}

static int open_up(int fd, const char *topic)
{
	return mq_topic_set(fd, topic, MQBUS_TOPIC_SET_MODE, .mode = 0777);
}

/* Only a descriptor of a network namespace will do; what was refused changes nothing */
TEST_F(topic, wrong_descriptors)
{
	static const char * const other[] = { "/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/pid",
					      "/proc/self/ns/user", "/proc/self", "/dev/mqbus" };
	int fd, away, path, home, pipes[2], i;

	ASSERT_EQ(0, create(self));
	home = go_away();
	ASSERT_LE(0, home);
	away = mq_open(0);
	for (i = 0; i < sizeof(other) / sizeof(*other); i++) {
		fd = open(other[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		EXPECT_EQ(-EINVAL, enter(away, fd)) TH_LOG("%s", other[i]);
		close(fd);
	}
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, enter(away, pipes[0]));
	EXPECT_EQ(-EINVAL, enter(away, away));
	fd = dup(away);
	close(fd);
	EXPECT_EQ(-EBADF, enter(away, fd));
	EXPECT_EQ(-EBADF, enter(away, -1));
	EXPECT_EQ(-EBADF, enter(away, ~0U >> 1));
	/* This names a file, and does not open it */
	path = open("/proc/self/ns/net", O_PATH | O_CLOEXEC);
	EXPECT_EQ(-EBADF, enter(away, path));
	/* It is where it was, and can enter */
	EXPECT_EQ(0, mq_used(away));
	EXPECT_EQ(-ENOENT, mq_delete(away, self->name));
	EXPECT_EQ(0, enter(away, home));
	EXPECT_EQ(mq_used(self->ctl), mq_used(away));
	EXPECT_EQ(0, mq_bind_producer(away, self->name));
	close(away);
	close(path);
	close(pipes[0]);
	close(pipes[1]);
	close(home);
}

/* Once, and while it is unbound; all that is by name is there then, and nothing is here */
TEST_F(topic, enters_once)
{
	struct mqbus_info there, here;
	int home, away, fd, own;
	struct mq_reader r;

	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	ASSERT_EQ(0, mq_reader_open(&r, self->name, "g"));
	home = go_away();
	ASSERT_LE(0, home);
	away = own_netns();
	own = mq_open(0);
	ASSERT_EQ(0, mq_create(own, self->name, .size = 4096));

	fd = mq_open(0);
	ASSERT_EQ(0, enter(fd, home));
	EXPECT_EQ(-EBADFD, enter(fd, away));
	EXPECT_EQ(-EBADFD, enter(fd, home));
	ASSERT_EQ(0, mq_info(fd, &there));
	ASSERT_EQ(0, mq_info(own, &here));
	EXPECT_EQ(mq_used(self->ctl), there.used_bytes);
	EXPECT_NE(there.used_bytes, here.used_bytes);
	EXPECT_EQ(-EEXIST, mq_create(fd, self->name));
	EXPECT_EQ(0, mq_create(fd, "x", .size = 4096));
	EXPECT_EQ(-ENOENT, mq_delete(own, "x"));
	EXPECT_EQ(0, mq_group(fd, "x", "g"));
	EXPECT_EQ(0, mq_group_delete(fd, "x", "g", 0));
	EXPECT_EQ(0, mq_delete(self->ctl, "x"));
	ASSERT_EQ(0, mq_bind_producer(fd, self->name));
	EXPECT_EQ(-EBADFD, enter(fd, away));
	EXPECT_EQ(1, mq_put(fd, "hello", 5, 0));
	EXPECT_NE(NULL, mq_next(&r, 0));
	close(fd);

	/* Bound first: it stays */
	fd = mq_producer(self->name, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADFD, enter(fd, home));
	EXPECT_EQ(1, mq_put(fd, "hello", 5, 0));
	EXPECT_EQ(NULL, mq_next(&r, 0));
	close(fd);
	mq_reader_close(&r);

	/* A member there: its partitions and its death are seen by those at home */
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "h"));
	fd = mq_open(0);
	ASSERT_EQ(0, enter(fd, home));
	EXPECT_EQ(0, mq_bind_member(fd, self->name, "h"));
	EXPECT_EQ(-EBADFD, enter(fd, home));
	EXPECT_EQ(-EBUSY, mq_group_delete(self->ctl, self->name, "h", 0));
	close(fd);
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->name, "h", 0));
	ASSERT_EQ(0, mq_delete(own, self->name));
	close(own);
	close(home);
	close(away);
}

/* Endpoints of one transaction are on one bus, wherever they were opened */
TEST_F(topic, transactions)
{
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_act acts[2];
	int home, here, there, fd;

	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	fd = mq_producer(self->name, 0);
	home = go_away();
	ASSERT_LE(0, home);
	here = mq_open(0);
	ASSERT_EQ(0, mq_create(here, "here", .size = 4096));
	ASSERT_EQ(0, mq_bind_producer(here, "here"));
	there = bind_entered(home, self->name);
	ASSERT_LE(0, there);
	acts[0] = act_publish(there, &msg, 1);
	acts[1] = act_publish(here, &msg, 1);
	EXPECT_EQ(-EBADF, mq_transact(there, acts, 2, 0, NULL));
	EXPECT_EQ(-EBADF, mq_transact(here, acts, 2, 0, NULL));
	EXPECT_EQ(0, mq_end(self->ctl, self->name, "g", 0));
	acts[1].fd = fd;
	EXPECT_EQ(0, mq_transact(there, acts, 2, 0, NULL));
	EXPECT_EQ(2, mq_end(self->ctl, self->name, "g", 0));
	EXPECT_EQ(0, mq_delete(here, "here"));
	close(here);
	close(there);
	close(fd);
	close(home);
}

/*
 * Who owns the user namespace of a bus has all capabilities over it, but gives nothing there to
 * uids that are not in it; nor does root
 */
TEST_F(topic, owners_that_the_bus_does_not_know)
{
	int alice = open_as(ALICE, ALICE, 0), root = mq_open(0), netns;
	volatile int *step = mq_shared(MQ_PAGE);
	char path[32];
	pid_t pid;

	mq_fork(pid) {
		*step = become_container(ALICE) ? -1 : 1;
		pause();
	}
	while (!*step)
		mq_sleep(MQ_MS);
	ASSERT_EQ(1, *step);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, enter(alice, netns));
	ASSERT_EQ(0, enter(root, netns));
	EXPECT_EQ(-EPERM, create_owned(alice, "a", 0, MQBUS_ANY));
	EXPECT_EQ(-EPERM, create_owned(alice, "a", BOB, MQBUS_ANY));
	EXPECT_EQ(-EPERM, create_owned(alice, "a", MQBUS_ANY, 0));
	EXPECT_EQ(0, create_owned(alice, "a", ALICE, ALICE));
	EXPECT_EQ(-EPERM, create_owned(root, "b", BOB, MQBUS_ANY));
	EXPECT_EQ(0, create_owned(root, "b", ALICE, ALICE));
	EXPECT_EQ(0, mq_delete(alice, "a"));
	EXPECT_EQ(0, mq_delete(alice, "b"));
	mq_kill(pid);
	close(netns);
	close(alice);
	close(root);
}

/* All capabilities inside are none over another bus, and who creates there pays there */
TEST_F(topic, root_of_a_container)
{
	long long user = mq_read_number(MQ_USER_MBYTES);
	int home = own_netns(), fd, status;
	__u64 used, max;
	struct mqbus_info info;
	pid_t pid;

	ASSERT_EQ(0, create(self, .mode = 0600));
	ASSERT_EQ(0, mq_create(self->ctl, "shared", .mode = 0666));
	ASSERT_EQ(0, mq_group(self->ctl, "shared", "g"));
	used = mq_used(self->ctl);
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	max = info.max_bytes;
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	mq_fork(pid) {
		if (become_container(ALICE))
			_exit(1);
		fd = mq_open(0);
		if (enter(fd, home))
			_exit(2);
		/* No CAP_DAC_OVERRIDE, no owner */
		if (mq_bind_producer(fd, self->name) != -EACCES ||
		    mq_bind_member(fd, "shared", "g") != -EACCES)
			_exit(3);
		if (mq_delete(fd, self->name) != -EPERM || mq_delete(fd, "shared") != -EPERM ||
		    mq_group_delete(fd, "shared", "g", 0) != -EPERM ||
		    open_up(fd, "shared") != -EPERM)
			_exit(4);
		if (mq_group(fd, "shared", "mine") != -EACCES)
			_exit(5);
		/* No CAP_SYS_RESOURCE */
		if (create_sized(fd, "large", 1 << 20) != -EDQUOT)
			_exit(6);
		if (create_sized(fd, "mine", 1 << 18))
			_exit(7);
		/* What it has here counts with it */
		fd = mq_open(0);
		if (mq_used(fd) || create_sized(fd, "more", 1 << 20) != -EDQUOT ||
		    create_sized(fd, "more", 1 << 18) || mq_delete(fd, "more"))
			_exit(8);
		/* What may be written may be written */
		fd = bind_entered(home, "shared");
		if (fd < 0 || mq_put(fd, "x", 1, 0) != 1)
			_exit(9);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	EXPECT_LE(used + (1 << 18), mq_used(self->ctl));
	EXPECT_EQ(1, mq_end(self->ctl, "shared", "g", 0));
	/* It is Alice's, wherever she is */
	fd = open_as(ALICE, ALICE, 0);
	EXPECT_EQ(-EDQUOT, create_sized(fd, "large", 1 << 20));
	EXPECT_EQ(-EPERM, mq_delete(fd, "shared"));
	EXPECT_EQ(0, mq_delete(fd, "mine"));
	EXPECT_EQ(used, mq_used(self->ctl));
	close(fd);
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));

	/* The limits are those of the bus that it entered */
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), used + 8192));
	mq_fork(pid) {
		if (go_away() < 0)
			_exit(1);
		fd = mq_open(0);
		if (enter(fd, home) || create_sized(fd, "large", 1 << 18) != -ENOSPC)
			_exit(2);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), max));
	EXPECT_EQ(0, mq_delete(self->ctl, "shared"));
	close(home);
}

/* Whose processes have ended: it lives as long as it is entered, then all of it goes */
TEST_F(topic, namespace_ends)
{
	long long refs = mq_read_number(MQ_REFCNT);
	int up[2], down[2], netns, fd, other;
	char path[64], byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	mq_fork(pid) {
		if (go_away() < 0)
			_exit(1);
		fd = mq_open(0);
		if (create_sized(fd, "orphan", 4096) || mq_group(fd, "orphan", "g"))
			_exit(2);
		close(fd);
		close(down[1]);
		if (write(up[1], "x", 1) != 1 || read(down[0], &byte, 1))
			_exit(3);
	}
	close(down[0]);
	ASSERT_EQ(1, read(up[0], &byte, 1));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, netns);
	close(down[1]);
	ASSERT_EQ(0, mq_wait(pid));
	EXPECT_EQ(-1, open(path, O_RDONLY | O_CLOEXEC));

	fd = mq_open(0);
	other = mq_open(0);
	EXPECT_EQ(0, enter(fd, netns));
	EXPECT_EQ(0, enter(other, netns));
	close(netns);
	EXPECT_EQ(0, mq_bind_producer(fd, "orphan"));
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	EXPECT_EQ(1, mq_end(other, "orphan", "g", 0));
	close(fd);
	mq_sleep(50 * MQ_MS);
	EXPECT_EQ(1, mq_end(other, "orphan", "g", 0));
	close(other);
	EXPECT_EQ(refs, wait_refs(refs));
	close(up[0]);
	close(up[1]);
}

struct race {
	atomic_int turn;
	int fd;			/* negative: it is over */
	int netns;
	int ret;
};

/* Both threads pass here at the same moment, as far as there are two processors */
static void meet(struct race *race)
{
	int turn = (atomic_fetch_add(&race->turn, 1) | 1) + 1, spins;

	for (spins = 0; atomic_load(&race->turn) - turn < 0; spins++)
		if (spins > 10000)
			sched_yield();
}

static void delay(unsigned int spins)
{
	volatile unsigned int i;

	for (i = 0; i < spins; i++)
		;
}

static void *enter_again(void *arg)
{
	struct race *race = arg;
	unsigned int round;

	for (round = 0;; round++) {
		meet(race);
		if (race->fd < 0)
			return NULL;
		delay(round * 7 % 509);
		race->ret = enter(race->fd, race->netns);
		meet(race);
	}
}

/*
 * A thread that enters and one that binds: it enters, or not as the endpoint was bound before; and
 * the producer is where the endpoint is.
 */
TEST_F(topic, races_with_binding)
{
	__u64 end = mq_clock(CLOCK_MONOTONIC) + 10 * MQ_SEC, at[2] = {};
	struct race race = {};
	int home, away, rounds, wrong = 0;
	pthread_t thread;

	ASSERT_EQ(0, create(self, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", .flags = MQBUS_GROUP_F_OBSERVER));
	home = go_away();
	ASSERT_LE(0, home);
	away = mq_open(0);
	ASSERT_EQ(0, mq_create(away, self->name, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group_make(away, self->name, "g", .flags = MQBUS_GROUP_F_OBSERVER));
	race.netns = home;
	pthread_create(&thread, NULL, enter_again, &race);
	for (rounds = 0; rounds < 50000 && mq_clock(CLOCK_MONOTONIC) < end; rounds++) {
		race.fd = mq_open(0);
		meet(&race);
		delay(rounds * 11 % 503);
		wrong += mq_bind_producer(race.fd, self->name) != 0;
		meet(&race);
		wrong += mq_put(race.fd, "x", 1, 0) != 1;
		wrong += race.ret && race.ret != -EBADFD;
		at[!race.ret]++;
		close(race.fd);
	}
	race.fd = -1;
	meet(&race);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(at[0], mq_end(away, self->name, "g", 0));
	EXPECT_EQ(at[1], mq_end(self->ctl, self->name, "g", 0));
	TH_LOG("%llu of %d times it was bound first", at[0], rounds);
	EXPECT_EQ(0, mq_delete(away, self->name));
	close(away);
	close(home);
}

TEST_HARNESS_MAIN
