// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that never arrives, and processes that die anywhere: a stuck process can be killed,
 * and no other waits for it.
 */
#include "fault.h"

FIXTURE(fault) {
	int ctl;
	int fd;			/* a healthy producer */
	struct mq_reader reader;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(fault)
{
	mq_name(self->topic, "fault");
	self->ctl = mq_open(0);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "stuck"));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, mq_reader_open(&self->reader, self->topic, "g"));
}

FIXTURE_TEARDOWN(fault)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	mq_reader_close(&self->reader);
	close(self->ctl);
}

enum place {
	VALUE, KEY, ROUTING_KEY, HEADERS,
	HASHED_KEY,	/* in more than one partition */
	LATER_VALUE, MESSAGES, PLACES, STRUCTURE, WRITE, RANGES, READ, ENTRIES,
	COMMIT_STRUCTURE, RESULTS, ALL_PLACES
};

static const char * const place_names[ALL_PLACES] = {
	"value", "key", "routing key", "headers", "key to be hashed", "second value",
	"messages", "places", "structure", "write", "ranges", "read", "entries",
	"commit", "results",
};

/* Make a call that accesses @hole and does not return. */
static void get_stuck(const char *topic, enum place where, char *hole)
{
	struct mqbus_msg msgs[2] = { mq_msg("before", 6), mq_msg("stuck", 5) };
	struct mqbus_msg *m = &msgs[1];
	struct mqbus_place places[2];
	struct mqbus_range range;
	struct mqbus_commit commit = {
		.nr_entries = 1, .entries = (uintptr_t)hole,
		.entry_size = sizeof(struct mqbus_commit_entry),
	};
	int fd;

	if (where >= RANGES && where < RESULTS) {
		fd = mq_member(topic, "stuck", 0);
		if (where == RANGES)
			mq_fetch(fd, (void *)hole, 1, 0, MQBUS_WAIT_FOREVER);
		if (where == READ)
			read(fd, hole, 100);
		mq_fetch(fd, &range, 1, 0, 0);
		if (where == ENTRIES)
			mq_ioctl(fd, MQBUS_IOC_COMMIT, &commit);
		if (where == COMMIT_STRUCTURE)
			mq_ioctl(fd, MQBUS_IOC_COMMIT, hole);
		return;
	}
	if (where == RESULTS) {
		mq_seek(mq_open(0), topic, "stuck", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
			(void *)hole, 1);
		return;
	}

	fd = mq_producer(topic, 0);
	switch (where) {
	case VALUE:
	case LATER_VALUE:
		m->value = (uintptr_t)hole;
		break;
	case KEY:
	case HASHED_KEY:
		m->key = (uintptr_t)hole;
		m->key_len = 5;
		break;
	case ROUTING_KEY:
		m->routing_key = (uintptr_t)hole;
		m->routing_key_len = 5;
		break;
	case HEADERS:
		m->headers = (uintptr_t)hole;
		m->headers_len = 5;
		break;
	case WRITE:
		write(fd, hole, 100);
		return;
	case STRUCTURE:
		mq_ioctl(fd, MQBUS_IOC_PUBLISH, hole);
		return;
	default:
		break;
	}
	/* Half of the value is there */
	if (where == LATER_VALUE)
		m->value -= 3;
	mq_publish(fd, where == MESSAGES ? (void *)hole : msgs, 2,
		   where == PLACES ? (void *)hole : places, MQBUS_WAIT_FOREVER, NULL);
}

static bool text_is(const struct mqbus_record *rec, const char *text)
{
	return rec && rec->value_len == strlen(text) &&
	       !memcmp(mq_value(rec), text, rec->value_len);
}

TEST_F(fault, nobody_waits_for_the_stuck)
{
	struct mqbus_range range;
	enum place where;
	int other;
	pid_t pid;

	for (where = 0; where < ALL_PLACES; where++) {
		int ready[2], uffd = -1;
		bool batch = where <= HASHED_KEY || where == LATER_VALUE || where == PLACES;

		ASSERT_EQ(0, pipe(ready));
		/* Readers sleep when the batch begins: they must be woken, too */
		ASSERT_EQ(1, mq_put(self->fd, "first", 5, 0));
		EXPECT_TRUE(text_is(mq_next(&self->reader, 0), "first"));
		mq_fork(pid) {
			char *hole, *pages = missing_pages(2, &uffd);

			if (!pages)
				_exit(77);
			hole = pages;
			if (where == LATER_VALUE) {
				struct uffdio_zeropage zero = {
					.range = { (uintptr_t)pages, MQ_PAGE },
				};

				ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
				hole = pages + MQ_PAGE;
			}
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				/*
				 * The child reports when the other one is stuck, and keeps the
				 * handler
				 */
				write(ready[1], is_stuck(uffd) ? "y" : "n", 1);
				pause();
			}
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			get_stuck(self->topic, where, hole);
			_exit(0);
		}
		/* Records before it in the batch are stored, and the reader is told */
		if (batch)
			EXPECT_TRUE(text_is(mq_next(&self->reader, MQ_LONG), "before"))
				TH_LOG("%s", place_names[where]);
		{
			char answer = 0;

			ASSERT_EQ(1, read(ready[0], &answer, 1));
			ASSERT_EQ('y', answer) TH_LOG("%s", place_names[where]);
		}
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG)) TH_LOG("%s", place_names[where]);

		/* All others go on: this producer, another, the reader, the lists */
		EXPECT_EQ(1, mq_put(self->fd, "one", 3, MQ_LONG));
		other = mq_producer(self->topic, 0);
		EXPECT_EQ(1, mq_put(other, "two", 3, MQ_LONG));
		close(other);
		if (where == PLACES)
			EXPECT_TRUE(text_is(mq_next(&self->reader, 0), "stuck"));
		EXPECT_TRUE(text_is(mq_next(&self->reader, 0), "one"))
			TH_LOG("%s", place_names[where]);
		EXPECT_TRUE(text_is(mq_next(&self->reader, 0), "two"));
		EXPECT_EQ(NULL, mq_next(&self->reader, 0));
		EXPECT_EQ(0, mq_group(self->ctl, self->topic, "fresh"));
		EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "fresh", 0));
		EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "stuck", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
				     MQBUS_WHENCE_LATEST, 0, NULL, 0));

		EXPECT_EQ(128 + SIGKILL, mq_kill(pid)) TH_LOG("%s", place_names[where]);
		close(ready[0]);
		close(ready[1]);
		/* No record of the unfinished call */
		EXPECT_EQ(NULL, mq_next(&self->reader, 0));
		EXPECT_EQ(1, mq_put(self->fd, "after", 5, 0));
		EXPECT_TRUE(text_is(mq_next(&self->reader, 0), "after"));

		/* Records that the dead member was given and could not take are the next one's */
		other = mq_member(self->topic, "stuck", 0);
		EXPECT_EQ(1, mq_fetch(other, &range, 1, 0, MQ_LONG)) TH_LOG("%s",
									    place_names[where]);
		EXPECT_EQ(0, range.begin_offset);
		close(other);
	}
}

/* In one partition or another: a stuck call holds no lock */
TEST_F(fault, stuck_while_hashing)
{
	char topic[MQBUS_NAME_SIZE];
	int uffd, fd;
	char *hole;
	pid_t pid;

	mq_name(topic, "hash");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 4, .size = 4096));
	fd = mq_producer(topic, 0);
	mq_fork(pid) {
		/* A handler is for one address space, so the child has its own */
		hole = missing_pages(1, &uffd);
		if (!hole)
			_exit(77);
		get_stuck(topic, HASHED_KEY, hole);
		_exit(0);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	close(fd);
}

/* Such a handler must not hold up the kernel's own faults */
TEST_F(fault, handler_of_user_faults_only)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mqbus_msg msgs[2] = { mq_msg("before", 6), mq_msg(p, 8) };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), error;

	ASSERT_LE(0, uffd);
	reg.range.start = (uintptr_t)p;
	reg.range.len = MQ_PAGE;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &reg));
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 2, NULL, 0, &error));
	EXPECT_EQ(EFAULT, error);
	close(uffd);
}

/* Producers that die anywhere leave whole records in order, or none */
TEST_F(fault, producers_are_killed)
{
	const unsigned int rounds = 40 / mq_slow();
	unsigned int round, seed = 3, records = 0, i;
	const struct mqbus_record *rec;
	__u64 last_producer = 0, last_seq = 0, offset = 0;

	for (round = 0; round < rounds; round++) {
		pid_t pid[2];

		for (i = 0; i < 2; i++)
			mq_fork(pid[i]) {
				static unsigned char values[8][600];
				struct mqbus_msg msgs[8];
				int fd = mq_producer(self->topic, 0);
				unsigned int k;

				for (k = 0; k < 8; k++) {
					memset(values[k], k + 1, sizeof(values[k]));
					msgs[k] = mq_msg(values[k], 1 + 70 * k);
				}
				for (;;)
					mq_publish(fd, msgs, 8, NULL, MQBUS_WAIT_FOREVER, NULL);
			}
		mq_sleep(rand_r(&seed) % (3 * MQ_MS));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid[i]));
		while ((rec = mq_next(&self->reader, 0))) {
			const unsigned char *v = mq_value(rec);

			ASSERT_EQ(offset++, rec->offset);
			ASSERT_LE(1, v[0]);
			ASSERT_GE(8, v[0]);
			ASSERT_EQ(1 + 70 * (v[0] - 1), rec->value_len);
			for (i = 1; i < rec->value_len; i++)
				ASSERT_EQ(v[0], v[i]);
			/* In a batch each record is the successor of the one before */
			ASSERT_EQ((rec->seq - 1) % 8 + 1, v[0]);
			if (rec->producer == last_producer)
				ASSERT_EQ(last_seq + 1, rec->seq);
			last_producer = rec->producer;
			last_seq = rec->seq;
			records++;
		}
		mq_drain(&self->reader);
		/* A group that never reads must not stop this */
		mq_seek(self->ctl, self->topic, "stuck", 0, 0, MQBUS_WHENCE_LATEST, 0, NULL, 0);
	}
	EXPECT_LT(0, records);
}

/* Members that die anywhere: each record is settled once, and none is skipped */
TEST_F(fault, members_are_killed)
{
	const unsigned int rounds = 40 / mq_slow();
	unsigned int round, seed = 5, i;
	__u64 *settled = mq_shared(MQ_PAGE), stored = 0;
	struct mqbus_range range;
	int fd;

	mq_group_delete(self->ctl, self->topic, "stuck", 0);
	mq_reader_close(&self->reader);
	self->reader.parts = 0;
	for (round = 0; round < rounds; round++) {
		pid_t pid;

		/* If many die before they settle a record there is no more room */
		for (i = 0; i < 100 && mq_put(self->fd, &stored, sizeof(stored), 0) == 1; i++)
			stored++;
		mq_fork(pid) {
			__u64 from;

			fd = mq_member(self->topic, "g", 0);
			if (mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER) != 1)
				_exit(1);
			/* Records settled by the dead one do not come again; the others do */
			from = range.begin_offset;
			if (from != settled[0] && from != settled[0] + 1)
				_exit(2);
			for (; from < range.end_offset; from++) {
				settled[0] = from;
				if (mq_commit(fd, 0, from + 1))
					_exit(3);
				settled[0] = from + 1;
			}
			pause();
		}
		mq_sleep(rand_r(&seed) % (4 * MQ_MS));
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	}
	fd = mq_member(self->topic, "g", 0);
	i = mq_fetch(fd, &range, 1, 0, 0);
	if (i == 1) {
		EXPECT_EQ(stored, range.end_offset);
		EXPECT_LE(settled[0], range.begin_offset);
		EXPECT_GE(settled[0] + 1, range.begin_offset);
	} else {
		EXPECT_EQ(-EAGAIN, i);
		EXPECT_EQ(stored, settled[0]);
	}
	close(fd);
	self->reader.fd = -1;
}

struct shared_endpoint {
	int fd;
	int ret;
};

static void *fetch_forever(void *arg)
{
	struct shared_endpoint *s = arg;
	struct mqbus_range range;

	s->ret = mq_fetch(s->fd, &range, 1, 0, MQBUS_WAIT_FOREVER);
	return NULL;
}

/* A thread asleep in fetch does not hold up another's commit on the endpoint */
TEST_F(fault, two_threads_on_an_endpoint)
{
	struct shared_endpoint s = { .fd = self->reader.fd };
	struct mqbus_range range;
	pthread_t thread;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, mq_put(self->fd, "x", 1, 0));
		ASSERT_EQ(1, mq_fetch(s.fd, &range, 1, 0, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, fetch_forever, &s));
		mq_sleep(2 * MQ_MS);
		EXPECT_EQ(0, mq_commit(s.fd, 0, range.end_offset));
		EXPECT_EQ(0, mq_commit_fetched(s.fd));
		EXPECT_EQ(-EAGAIN, mq_fetch(s.fd, &range, 1, 0, 0));
		EXPECT_EQ(1, mq_put(self->fd, "y", 1, 0));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(1, s.ret);
	}
}

/* A call of another thread waits for memory that is then unmapped */
struct unlucky {
	int fd;
	char *page;
	bool reads;
	int ret;
};

static void *fetch_in_vain(void *arg)
{
	struct unlucky *u = arg;

	if (u->reads)
		u->ret = read(u->fd, u->page, 64) < 0 ? -errno : 0;
	else
		u->ret = mq_fetch(u->fd, (void *)u->page, 1, 0, 0);
	return NULL;
}

/*
 * Records that a thread could not be told of are not lost because another one fetched behind
 * them
 */
TEST_F(fault, fetched_behind_what_did_not_arrive)
{
	struct mqbus_range range;
	struct unlucky u;
	pthread_t thread;
	__u64 next = 0;
	int uffd, i;

	for (i = 0; i < 4; i++) {
		u = (struct unlucky) { .fd = self->reader.fd, .reads = i & 1 };
		u.page = missing_pages(1, &uffd);
		ASSERT_NE(NULL, u.page);
		ASSERT_EQ(1, mq_put(self->fd, "first", 5, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, fetch_in_vain, &u));
		ASSERT_TRUE(is_stuck(uffd));
		ASSERT_EQ(1, mq_put(self->fd, "second", 6, 0));
		ASSERT_EQ(1, mq_fetch(u.fd, &range, 1, 0, 0));
		EXPECT_EQ(next + 1, range.begin_offset);
		ASSERT_EQ(0, munmap(u.page, MQ_PAGE));
		close(uffd);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(-EFAULT, u.ret);
		/* Both come, in order; records behind them cannot be committed yet */
		EXPECT_EQ(-ERANGE, mq_commit(u.fd, 0, next + 2));
		ASSERT_EQ(1, mq_fetch(u.fd, &range, 1, 0, 0));
		EXPECT_EQ(next, range.begin_offset);
		EXPECT_EQ(next + 2, range.end_offset);
		EXPECT_EQ(0, mq_commit_fetched(u.fd));
		next += 2;
	}
}

/* Settled leases are reported, also if the memory behind is bad */
TEST_F(fault, committed_is_told)
{
	struct mqbus_commit args = {
		.nr_entries = 2, .entry_size = sizeof(struct mqbus_commit_entry),
	};
	struct mqbus_commit_entry *entries;
	struct mqbus_range range;
	char *hole = mq_before_hole(1);

	ASSERT_EQ(1, mq_put(self->fd, "x", 1, 0));
	ASSERT_EQ(1, mq_put(self->fd, "y", 1, 0));
	ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
	entries = (void *)(hole - MQ_PAGE);
	entries[0].offset = 1;
	entries[1].offset = 2;
	args.entries = (uintptr_t)entries;
	ASSERT_EQ(0, mprotect(entries, MQ_PAGE, PROT_READ));
	/* The outcome of the first one cannot be reported, except that it was done */
	EXPECT_EQ(0, mq_ioctl(self->reader.fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(1, args.committed);
	args.nr_entries = 1;
	EXPECT_EQ(0, mq_ioctl(self->reader.fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(1, args.committed);
	EXPECT_EQ(0, mq_commit(self->reader.fd, 0, 2));
}

static void *publish_many(void *arg)
{
	struct shared_endpoint *s = arg;
	int i;

	for (i = 0; i < 500 && s->ret >= 0; i++)
		s->ret = mq_put(s->fd, "0123456789", 10, MQBUS_WAIT_FOREVER) - 1;
	return NULL;
}

/* Threads of one producer: sequence numbers are in log order all the same */
TEST_F(fault, threads_of_a_producer)
{
	struct shared_endpoint s[3];
	pthread_t threads[3];
	const struct mqbus_record *rec;
	unsigned int i;

	mq_group_delete(self->ctl, self->topic, "stuck", 0);
	for (i = 0; i < 3; i++) {
		s[i] = (struct shared_endpoint) { .fd = self->fd };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, publish_many, &s[i]));
	}
	for (i = 0; i < 1500; i++) {
		rec = mq_next(&self->reader, MQ_LONG);
		ASSERT_NE(NULL, rec);
		ASSERT_EQ(i + 1, rec->seq);
		ASSERT_EQ(i, rec->offset);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, s[i].ret);
	}
}

/* An endpoint lives as long as any process has it open */
TEST_F(fault, endpoint_changes_hands)
{
	struct mqbus_range range;
	int member = mq_member(self->topic, "stuck", 0), go[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(1, mq_put(self->fd, "x", 1, 0));
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	mq_fork(pid) {
		read(go[0], &byte, 1);
		_exit(mq_commit(member, 0, 1) ? 1 : 0);
	}
	close(member);
	/* The child is the member now */
	EXPECT_EQ(-EBUSY, mq_group_delete(self->ctl, self->topic, "stuck", 0));
	write(go[1], "x", 1);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "stuck", 0));
	close(go[0]);
	close(go[1]);
}

TEST_HARNESS_MAIN
