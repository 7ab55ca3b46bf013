// SPDX-License-Identifier: GPL-2.0
/*
 * Consuming: mappings, fetch, commit, read, seek, and who is next when a member
 * goes.
 */
#include "mqbus_test.h"

FIXTURE(fetch) {
	int ctl;
	int fd;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(fetch)
{
	mq_name(self->topic, "fetch");
	self->ctl = mq_open(0);
	self->fd = -1;
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(fetch)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	close(self->ctl);
}

#define begin(self, ...) do {							\
	ASSERT_EQ(0, mq_create((self)->ctl, (self)->topic, ##__VA_ARGS__));	\
	ASSERT_EQ(0, mq_group((self)->ctl, (self)->topic, "g"));		\
	(self)->fd = mq_producer((self)->topic, 0);				\
	ASSERT_LE(0, (self)->fd);						\
} while (0)

/* Store the numbers from..to-1 as 8 byte values: records of 72 bytes. */
static void put_numbers(int fd, __u64 from, __u64 to)
{
	for (; from < to; from++)
		if (mq_put(fd, &from, sizeof(from), 0) != 1)
			abort();
}

static __u64 number(const struct mqbus_record *rec)
{
	__u64 v = ~0ULL;

	if (rec)
		memcpy(&v, mq_value(rec), sizeof(v));
	return v;
}

/* The next number by read(), or a negative errno */
static __s64 read_number(int fd)
{
	__s64 v;
	ssize_t n = read(fd, &v, sizeof(v));

	return n < 0 ? -errno : n == sizeof(v) ? v : -1000;
}

static bool is_busy(FIXTURE_DATA(fetch) *self)
{
	return mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
		       NULL, 0) == -EBUSY;
}

static int try_map(int fd, size_t len, int prot, int flags, __u64 offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

TEST_F(fetch, mmap_rules)
{
	struct mqbus_geometry geo, second;
	int fd;

	begin(self, .partitions = 2, .size = 8192);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_geometry(fd, 0, &geo));
	ASSERT_EQ(0, mq_geometry(fd, 1, &second));
	EXPECT_EQ(MQ_PAGE + 2 * 8192, geo.map_len);
	EXPECT_LE(geo.map_offset + geo.map_len, second.map_offset);

	EXPECT_EQ(0, try_map(fd, geo.map_len, PROT_READ, MAP_SHARED, geo.map_offset));
	EXPECT_EQ(0, try_map(fd, geo.map_len, PROT_NONE, MAP_SHARED, second.map_offset));
	EXPECT_EQ(-EACCES, try_map(fd, geo.map_len, PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(fd, geo.map_len, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(fd, geo.map_len, PROT_READ | PROT_EXEC, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len - MQ_PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len + MQ_PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, MQ_PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len, PROT_READ, MAP_SHARED, MQ_PAGE));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len, PROT_READ, MAP_SHARED,
				   second.map_offset - MQ_PAGE));
	EXPECT_EQ(-ECHRNG, try_map(fd, geo.map_len, PROT_READ, MAP_SHARED, 2 * second.map_offset));
	EXPECT_EQ(-EBADFD, try_map(self->fd, geo.map_len, PROT_READ, MAP_SHARED, 0));
	close(fd);
}

/* Who only reads may open the device for reading only */
TEST_F(fetch, mapping_of_a_read_only_file)
{
	struct mqbus_geometry geo;
	struct mq_map map;
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 5);
	fd = open(MQ_DEVICE, O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, mq_bind_member(fd, self->topic, "g"));
	ASSERT_EQ(0, mq_geometry(fd, 0, &geo));
	EXPECT_EQ(-EACCES, try_map(fd, geo.map_len, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, geo.map_len, PROT_READ, MAP_PRIVATE, 0));
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(-1, mprotect((void *)map.page, geo.map_len, PROT_READ | PROT_WRITE));
	mq_unmap(&map);
	close(fd);
}

TEST_F(fetch, mapping_never_becomes_writable)
{
	struct mq_map map;
	char *p, byte = 'X';
	int fd, mem;

	begin(self);
	put_numbers(self->fd, 0, 5);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	p = (char *)map.page;
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(-1, mprotect(p, map.geo.map_len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(p, map.geo.map_len, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	/* Nor as a debugger would write */
	mem = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, mem);
	EXPECT_EQ(-1, pwrite(mem, &byte, 1, (uintptr_t)map.data + 64));
	EXPECT_EQ(1, pread(mem, &byte, 1, (uintptr_t)map.data + 64));
	EXPECT_EQ(0, byte);
	close(mem);
	EXPECT_EQ(0, mprotect(p, map.geo.map_len, PROT_NONE));
	EXPECT_EQ(0, mprotect(p, map.geo.map_len, PROT_READ));
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	mq_unmap(&map);
	close(fd);
}

TEST_F(fetch, mapping_is_whole)
{
	struct mq_map map;
	size_t len;
	char *p, *q;
	int fd;

	begin(self, .size = 8192);
	put_numbers(self->fd, 0, 5);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	p = (char *)map.page;
	len = map.geo.map_len;
	EXPECT_EQ(-1, munmap(p, MQ_PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, munmap(p + len - MQ_PAGE, MQ_PAGE));
	EXPECT_EQ(-1, munmap(p + MQ_PAGE, MQ_PAGE));
	EXPECT_EQ(-1, mprotect(p + MQ_PAGE, MQ_PAGE, PROT_NONE));
	EXPECT_EQ(-1, madvise(p, MQ_PAGE, MADV_DONTFORK));
	EXPECT_EQ(MAP_FAILED, mremap(p, len, len - MQ_PAGE, 0));
	EXPECT_EQ(MAP_FAILED, mremap(p, len, len + MQ_PAGE, MREMAP_MAYMOVE));
	q = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(MAP_FAILED, mremap(p + MQ_PAGE, MQ_PAGE, MQ_PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, q));
	EXPECT_EQ(MAP_FAILED, mremap(p, 0, len + MQ_PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	/* As a whole it may go elsewhere */
	q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	ASSERT_NE(MAP_FAILED, q);
	map.page = (void *)q;
	map.data = (void *)(q + MQ_PAGE);
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(0, munmap(q, len));
	close(fd);
}

/* A mapping is a use of the endpoint: closing the descriptor does not end it */
TEST_F(fetch, mapping_keeps_the_member)
{
	struct mq_map map;
	pid_t pid;
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 5);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	close(fd);
	EXPECT_TRUE(is_busy(self));
	mq_fork(pid)
		_exit(number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(4, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	close(self->fd);
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(5, map.page->next_offset);
	EXPECT_LT(65536, mq_used(self->ctl));
	mq_unmap(&map);
	EXPECT_EQ(0, mq_used(self->ctl));
}

TEST_F(fetch, ring_page)
{
	struct mq_map map;
	__u64 i;
	int fd;

	begin(self, .partitions = 3, .size = 4096);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 2, &map));
	EXPECT_EQ(4096, map.page->size);
	EXPECT_EQ(2, map.page->partition);
	EXPECT_EQ(0, map.page->tail);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(1, mq_put_in(self->fd, 2, &i, sizeof(i)));
	EXPECT_EQ(720, map.page->tail);
	EXPECT_EQ(10, map.page->next_offset);
	EXPECT_EQ(10, map.page->next_begun);
	EXPECT_EQ(0, map.page->head);
	EXPECT_EQ(0, map.page->head_offset);
	/* The ring is there twice */
	EXPECT_EQ(0, memcmp(map.data, map.data + 4096, 4096));
	mq_unmap(&map);
	close(fd);
}

/* Many laps of records of every size: none is torn where the ring ends */
TEST_F(fetch, contiguous_across_the_end)
{
	static unsigned char block[2048];
	struct mq_reader r;
	unsigned int i, k, seed = 1;
	bool crossed = false;

	begin(self, .size = 4096, .max_record = 1984);
	ASSERT_EQ(0, mq_reader_open(&r, self->topic, "g"));
	for (i = 0; i < 3000; i++) {
		const struct mqbus_record *rec;
		unsigned int len = rand_r(&seed) % 1985;

		for (k = 0; k < len; k++)
			block[k] = i + k * 5;
		ASSERT_EQ(1, mq_put(self->fd, block, len, 0)) TH_LOG("record %u", i);
		rec = mq_next(&r, 0);
		ASSERT_NE(NULL, rec);
		ASSERT_EQ(len, rec->value_len);
		ASSERT_EQ(i, rec->offset);
		ASSERT_EQ(0, memcmp(mq_value(rec), block, len));
		crossed |= (r.pos & 4095) && (r.pos & 4095) < rec->size;
	}
	EXPECT_TRUE(crossed);
	mq_reader_close(&r);
}

TEST_F(fetch, ranges_follow_each_other)
{
	struct mqbus_range range;
	__u64 pos = 0, offset = 0, i;
	int fd;

	begin(self, .size = 65536);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	for (i = 1; i < 20; i++) {
		put_numbers(self->fd, 0, i);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(pos, range.begin);
		EXPECT_EQ(offset, range.begin_offset);
		pos += i * 72;
		offset += i;
		EXPECT_EQ(pos, range.end);
		EXPECT_EQ(offset, range.end_offset);
		EXPECT_EQ(0, range.lost);
		EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	}
	close(fd);
}

/* With less room than partitions none of them starves */
TEST_F(fetch, partitions_take_turns)
{
	struct mqbus_range ranges[MQBUS_FETCH_MAX + 4];
	unsigned int seen[40] = {}, p, i;
	int fd, n;

	begin(self, .partitions = 40, .size = 4096);
	for (p = 0; p < 40; p++)
		ASSERT_EQ(1, mq_put_in(self->fd, p, "x", 1));
	fd = mq_member(self->topic, "g", 0);
	for (i = 0; i < 20; i++) {
		/* The first ones always have something new */
		for (p = 0; p < 4; p++)
			mq_put_in(self->fd, p, "x", 1);
		ASSERT_EQ(4, mq_fetch(fd, ranges, 4, 0, 0));
		for (p = 0; p < 4; p++)
			seen[ranges[p].partition]++;
	}
	for (p = 0; p < 40; p++)
		EXPECT_LE(1, seen[p]);
	/* More room than a call fills */
	for (p = 0; p < 40; p++)
		ASSERT_EQ(1, mq_put_in(self->fd, p, "x", 1));
	memset(ranges, 0xcc, sizeof(ranges));
	n = mq_fetch(fd, ranges, ~0U, 0, 0);
	EXPECT_EQ(MQBUS_FETCH_MAX, n);
	EXPECT_EQ(0xcccccccc, ranges[MQBUS_FETCH_MAX].partition);
	close(fd);
}

TEST_F(fetch, bad_room_hands_out_nothing)
{
	struct mqbus_range range;
	char *hole = mq_before_hole(1);
	__u64 bad[] = { 0, MQ_KERNEL_ADDR, MQ_ODD_ADDR, (uintptr_t)hole, (uintptr_t)hole - 8 };
	unsigned int i;
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 5);
	fd = mq_member(self->topic, "g", 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EFAULT, mq_fetch(fd, (void *)(uintptr_t)bad[i], 1, 0, 0));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 1));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(5, range.end_offset);
	close(fd);
}

TEST_F(fetch, commit_by_entries)
{
	struct mqbus_commit_entry e[6];
	struct mqbus_commit args = { .entries = (uintptr_t)e, .entry_size = sizeof(*e) };
	struct mqbus_range ranges[3];
	char *hole = mq_before_hole(1);
	struct mqbus_seek_result result;
	__u64 i;
	int fd;

	begin(self, .partitions = 3, .size = 4096);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 3, &i, sizeof(i)));
	fd = mq_member(self->topic, "g", 0);
	/* Nothing was fetched yet */
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 1));
	EXPECT_EQ(0, mq_commit(fd, 0, 0));
	ASSERT_EQ(3, mq_fetch(fd, ranges, 3, 0, 0));
	EXPECT_EQ(-ECHRNG, mq_commit(fd, 3, 1));
	EXPECT_EQ(-ECHRNG, mq_commit(fd, MQBUS_ANY, 1));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 11));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, ~0ULL));

	memset(e, 0xcc, sizeof(e));
	e[0].partition = 9; e[0].offset = 0;
	e[1].partition = 0; e[1].offset = 5;
	e[2].partition = 0; e[2].offset = 4;
	e[3].partition = 1; e[3].offset = 10;
	e[4].partition = 2; e[4].offset = 11;
	e[5].partition = 0; e[5].offset = 5;
	args.nr_entries = 6;
	EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(3, args.committed);
	EXPECT_EQ(ECHRNG, e[0].error);
	EXPECT_EQ(0, e[1].error);
	EXPECT_EQ(ERANGE, e[2].error);
	EXPECT_EQ(0, e[3].error);
	EXPECT_EQ(ERANGE, e[4].error);
	EXPECT_EQ(0, e[5].error);

	/* None succeeded: the errno of the first */
	e[0].offset = 3; e[0].partition = 0;
	e[1].partition = 7;
	args.nr_entries = 2;
	EXPECT_EQ(-ERANGE, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(ERANGE, e[0].error);
	EXPECT_EQ(ECHRNG, e[1].error);

	/* The entries end in the middle */
	e[0] = (struct mqbus_commit_entry) { .partition = 2, .offset = 1 };
	memcpy(hole - sizeof(*e), e, sizeof(*e));
	args.entries = (uintptr_t)hole - sizeof(*e);
	EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(1, args.committed);
	args.entries = (uintptr_t)hole;
	EXPECT_EQ(-EFAULT, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	args.entries = MQ_KERNEL_ADDR;
	EXPECT_EQ(-EFAULT, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	close(fd);

	for (i = 0; i < 3; i++) {
		static const __u64 want[] = { 5, 10, 1 };

		ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, i,
				     MQBUS_WHENCE_LATEST, 0, &result, 1));
		EXPECT_EQ(i, result.partition);
		EXPECT_EQ(want[i], result.old_offset);
	}
}

/* Deep in a long log, where the place of an offset has to be looked up */
TEST_F(fetch, commit_of_every_offset)
{
	struct mqbus_range range;
	__u64 i;
	int fd;

	begin(self, .size = 1 << 20);
	put_numbers(self->fd, 0, 3000);
	for (i = 1; i < 3000; i += 1 + i / 5) {
		fd = mq_member(self->topic, "g", 0);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(0, mq_commit(fd, 0, i));
		close(fd);
		fd = mq_member(self->topic, "g", 0);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(i, range.begin_offset);
		EXPECT_EQ(i * 72, range.begin);
		close(fd);
	}
}

TEST_F(fetch, fetch_and_commit_in_one)
{
	struct mqbus_range range;
	int fd;

	begin(self);
	fd = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	put_numbers(self->fd, 3, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	EXPECT_EQ(3, range.begin_offset);
	close(fd);
	/* What the last one handed out is not committed by it */
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(3, range.begin_offset);
	EXPECT_EQ(5, range.end_offset);
	/* It commits even if there is nothing to fetch */
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	put_numbers(self->fd, 5, 6);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(fd));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	close(fd);
}

TEST_F(fetch, resume_after_sigkill)
{
	struct mqbus_range range;
	int fd, go[2];
	char byte;
	pid_t pid;

	begin(self);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(0, pipe(go));
	mq_fork(pid) {
		fd = mq_member(self->topic, "g", 0);
		if (mq_fetch(fd, &range, 1, 0, 0) != 1 || mq_commit(fd, 0, 4))
			_exit(1);
		write(go[1], "x", 1);
		pause();
	}
	ASSERT_EQ(1, read(go[0], &byte, 1));
	EXPECT_TRUE(is_busy(self));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	/* Dead is gone: nothing has to time out */
	EXPECT_FALSE(mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0) != 1);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(4, range.begin_offset);
	EXPECT_EQ(10, range.end_offset);
	close(fd);
	close(go[0]);
	close(go[1]);
}

TEST_F(fetch, standby_waits)
{
	struct mqbus_range range;
	struct pollfd p = { .events = POLLIN };
	int first, second;

	begin(self);
	first = mq_member(self->topic, "g", 0);
	second = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 3);
	p.fd = second;
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(-EAGAIN, mq_fetch(second, &range, 1, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, mq_fetch(second, &range, 1, 0, 2 * MQ_MS));
	EXPECT_EQ(-ESTALE, mq_commit(second, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(second));
	ASSERT_EQ(1, mq_fetch(first, &range, 1, 0, 0));
	/* Not even after it was fetched is it the other's */
	EXPECT_EQ(-ESTALE, mq_commit(second, 0, 1));
	close(first);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(1, mq_fetch(second, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(3, range.end_offset);
	close(second);
}

TEST_F(fetch, standby_takes_over_at_once)
{
	struct mqbus_range range;
	int way;

	begin(self);
	put_numbers(self->fd, 0, 7);
	/* Asleep in fetch, read, poll, epoll while the owner closes or is killed */
	for (way = 0; way < 8; way++) {
		static const long calls[] = { SYS_ioctl, SYS_read, SYS_poll, SYS_epoll_wait };
		int owner = -1, go[2];
		pid_t pid, victim = 0;
		char byte;

		if (way < 4) {
			owner = mq_member(self->topic, "g", 0);
			ASSERT_EQ(1, mq_fetch(owner, &range, 1, 0, 0));
		} else {
			ASSERT_EQ(0, pipe(go));
			mq_fork(victim) {
				owner = mq_member(self->topic, "g", 0);
				mq_fetch(owner, &range, 1, 0, 0);
				write(go[1], "x", 1);
				pause();
			}
			ASSERT_EQ(1, read(go[0], &byte, 1));
			close(go[0]);
			close(go[1]);
		}
		mq_fork(pid) {
			int fd = mq_member(self->topic, "g", 0), n = 0;
			struct pollfd p = { .fd = fd, .events = POLLIN };
			struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
			int ep = epoll_create1(0);

			close(owner);
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			switch (way % 4) {
			case 0:
				n = mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER);
				_exit(n == 1 && !range.begin_offset && range.end_offset == 7 ?
				      0 : 1);
			case 1:
				_exit(read_number(fd) != 0);
			case 2:
				syscall(SYS_poll, &p, 1, -1);
				break;
			case 3:
				syscall(SYS_epoll_wait, ep, &ev, 1, -1);
				break;
			}
			_exit(mq_fetch(fd, &range, 1, 0, 0) != 1);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, calls[way % 4])) TH_LOG("way %d", way);
		if (victim)
			mq_kill(victim);
		else
			close(owner);
		EXPECT_EQ(0, mq_wait(pid)) TH_LOG("way %d", way);
	}
}

TEST_F(fetch, longest_waiting_is_next)
{
	struct mqbus_range range;
	int fd[4], i, k;

	begin(self);
	put_numbers(self->fd, 0, 3);
	for (i = 0; i < 4; i++)
		fd[i] = mq_member(self->topic, "g", 0);
	for (i = 0; i < 4; i++) {
		for (k = 3; k > i; k--)
			EXPECT_EQ(-EAGAIN, mq_fetch(fd[k], &range, 1, 0, 0));
		EXPECT_EQ(1, mq_fetch(fd[i], &range, 1, 0, 0));
		EXPECT_EQ(0, mq_commit(fd[i], 0, 0));
		EXPECT_EQ(0, range.begin_offset);
		close(fd[i]);
	}
}

TEST_F(fetch, group_with_members_stays)
{
	struct mqbus_seek_result result;
	struct mqbus_range range;
	struct pollfd p = { .events = POLLIN };
	pid_t pid[3];
	int fd, i;

	begin(self);
	put_numbers(self->fd, 0, 3);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EBUSY, mq_group_delete(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				  MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_LATEST, 0, &result, 1));
	EXPECT_EQ(3, result.new_offset);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(3, range.end_offset);

	for (i = 0; i < 3; i++)
		mq_fork(pid[i]) {
			struct pollfd q = { .fd = fd, .events = POLLIN };

			if (i == 0)
				_exit(-mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER));
			if (i == 1)
				_exit(-read_number(fd));
			syscall(SYS_poll, &q, 1, -1);
			_exit(q.revents);
		}
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	ASSERT_TRUE(mq_wait_asleep(pid[2], SYS_poll));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(EIDRM, mq_wait(pid[0]));
	EXPECT_EQ(EIDRM, mq_wait(pid[1]));
	EXPECT_EQ(POLLIN | POLLHUP, mq_wait(pid[2]));
	EXPECT_EQ(-EIDRM, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(-EIDRM, mq_commit_fetched(fd));
	EXPECT_EQ(-EIDRM, mq_commit(fd, 0, 3));
	EXPECT_EQ(-EIDRM, read_number(fd));
	p.fd = fd;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLHUP, p.revents);
	EXPECT_EQ(-ENOENT, mq_member(self->topic, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->topic, "g", 0));
	/* The name is free; the new group is another one */
	EXPECT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	EXPECT_EQ(-EEXIST, mq_group(self->ctl, self->topic, "g"));
	EXPECT_EQ(-EIDRM, mq_fetch(fd, &range, 1, 0, 0));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	close(fd);
}

TEST_F(fetch, groups_are_independent)
{
	struct mq_reader a, b;
	__u64 i;

	begin(self);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "h"));
	ASSERT_EQ(0, mq_reader_open(&a, self->topic, "g"));
	ASSERT_EQ(0, mq_reader_open(&b, self->topic, "h"));
	put_numbers(self->fd, 0, 100);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(i, number(mq_next(&a, 0)));
	EXPECT_EQ(NULL, mq_next(&a, 0));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(i, number(mq_next(&b, 0)));
	mq_reader_close(&a);
	mq_reader_close(&b);
}

/* Where a seek with these arguments leads; -errno */
static __s64 seek_to(FIXTURE_DATA(fetch) *self, __u32 flags, __u32 whence, __u64 value)
{
	struct mqbus_seek_result r = {};
	int n = mq_seek(self->ctl, self->topic, "g", flags, 0, whence, value, &r, 1);

	return n < 0 ? n : n == 1 ? (__s64)r.new_offset : -1000;
}

TEST_F(fetch, seek)
{
	struct mqbus_seek_result r;
	struct mq_reader reader;
	__u64 times[50], i;

	begin(self);
	for (i = 0; i < 50; i++) {
		put_numbers(self->fd, i, i + 1);
		/* The clock is finer than that */
		mq_sleep(20000);
	}
	ASSERT_EQ(0, mq_reader_open(&reader, self->topic, "g"));
	for (i = 0; i < 50; i++)
		times[i] = mq_next(&reader, 0)->time;
	mq_next(&reader, 0);
	mq_reader_close(&reader);
	for (i = 1; i < 50; i++)
		ASSERT_LT(times[i - 1], times[i]);

	EXPECT_EQ(0, seek_to(self, 0, MQBUS_WHENCE_EARLIEST, 0));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_LATEST, 0));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_OFFSET, ~0ULL));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_TIME, ~0ULL));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_TIME, times[49] + 1));
	EXPECT_EQ(0, seek_to(self, 0, MQBUS_WHENCE_TIME, 0));
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_OFFSET, i));
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_TIME, times[i]));
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_TIME, times[i] - 1));
	}
	/* A dry run tells and does not move */
	EXPECT_EQ(20, seek_to(self, 0, MQBUS_WHENCE_OFFSET, 20));
	EXPECT_EQ(7, seek_to(self, MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_WHENCE_OFFSET, 7));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_LATEST, 0, &r, 1));
	EXPECT_EQ(20, r.old_offset);
	EXPECT_EQ(50, r.new_offset);
	EXPECT_EQ(50, r.end_offset);
	ASSERT_EQ(0, mq_reader_open(&reader, self->topic, "g"));
	EXPECT_EQ(20, number(mq_next(&reader, 0)));
	mq_reader_close(&reader);

	EXPECT_EQ(-ECHRNG, mq_seek(self->ctl, self->topic, "g", 0, 1, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
	EXPECT_EQ(-ENOENT, mq_seek(self->ctl, self->topic, "h", 0, 0, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
	EXPECT_EQ(-ENOENT, mq_seek(self->ctl, "nosuch", "g", 0, 0, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
}

TEST_F(fetch, seek_of_all_partitions)
{
	struct mqbus_seek_result r[4];
	char *hole = mq_before_hole(1);
	__u64 p, i;

	begin(self, .partitions = 3, .size = 4096);
	for (p = 0; p < 3; p++)
		for (i = 0; i < 5 * (p + 1); i++)
			ASSERT_EQ(1, mq_put_in(self->fd, p, &i, sizeof(i)));
	memset(r, 0xcc, sizeof(r));
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_OFFSET, 7,
			     r, 2));
	EXPECT_EQ(5, r[0].new_offset);
	EXPECT_EQ(5, r[0].end_offset);
	EXPECT_EQ(1, r[1].partition);
	EXPECT_EQ(7, r[1].new_offset);
	EXPECT_EQ(10, r[1].end_offset);
	/* No room was told of for this one */
	EXPECT_EQ(0xcccccccc, r[2].partition);

	/* A bad address is found before anything moves */
	EXPECT_EQ(-EFAULT, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 0, (void *)(hole - sizeof(*r)), 3));
	EXPECT_EQ(-EFAULT, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 0, (void *)MQ_KERNEL_ADDR, 3));
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, 2, MQBUS_WHENCE_EARLIEST, 0,
			     r, 4) + 2);
	EXPECT_EQ(2, r[0].partition);
	EXPECT_EQ(7, r[0].old_offset);
	EXPECT_EQ(0, r[0].new_offset);
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_LATEST, 0,
			     r, 4));
	EXPECT_EQ(5, r[0].old_offset);
	EXPECT_EQ(7, r[1].old_offset);
	EXPECT_EQ(0, r[2].old_offset);
}

TEST_F(fetch, group_begins_where_it_is_told)
{
	struct mqbus_range range;
	static const struct {
		__u32 whence;
		__u64 value, begin;
	} where[] = {
		{ MQBUS_WHENCE_EARLIEST, 0, 0 },
		{ MQBUS_WHENCE_OFFSET, 3, 3 },
		{ MQBUS_WHENCE_OFFSET, 99, 10 },
		{ MQBUS_WHENCE_LATEST, 0, 10 },
		{ MQBUS_WHENCE_TIME, 0, 0 },
		{ MQBUS_WHENCE_TIME, ~0ULL, 10 },
	};
	unsigned int i;

	begin(self);
	put_numbers(self->fd, 0, 10);
	for (i = 0; i < sizeof(where) / sizeof(*where); i++) {
		char name[MQBUS_NAME_SIZE] = { 'A' + i };
		int fd;

		ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, name, where[i].whence,
					     where[i].value, 0600));
		fd = mq_member(self->topic, name, 0);
		put_numbers(self->fd, 0, 1);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		/* One was put for each group before */
		EXPECT_EQ(where[i].begin == 10 ? 10 + i : where[i].begin, range.begin_offset)
			TH_LOG("group %s", name);
		close(fd);
	}
}

TEST_F(fetch, read_settles_the_previous)
{
	struct mqbus_range range;
	char small[4];
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 6);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(0, read_number(fd));
	EXPECT_EQ(1, read_number(fd));
	close(fd);
	/* 0 is settled, 1 was not: nobody read on */
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(1, read_number(fd));
	EXPECT_EQ(-1, read(fd, small, sizeof(small)));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, read(fd, NULL, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(fd, mq_before_hole(1) - 4, 8));
	EXPECT_EQ(EFAULT, errno);
	/* It stays, and comes next */
	EXPECT_EQ(2, read_number(fd));
	EXPECT_EQ(3, read_number(fd));
	/* Reading and fetching are one progress */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(4, range.begin_offset);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(4, read_number(fd));
	EXPECT_EQ(5, read_number(fd));
	/* Having nothing to give, it settles all the same */
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

TEST_F(fetch, read_of_partitions)
{
	bool seen[30] = {};
	struct iovec iov[2];
	__u64 last[3] = {}, i, v;
	__u32 half[2];
	int fd;

	begin(self, .partitions = 3, .size = 4096);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 3, &i, sizeof(i)));
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	iov[0] = (struct iovec) { &half[0], 4 };
	iov[1] = (struct iovec) { &half[1], 4 };
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(8, readv(fd, iov, 2));
		v = half[0];
		EXPECT_EQ(0, half[1]);
		ASSERT_GT(30, v);
		EXPECT_FALSE(seen[v]);
		seen[v] = true;
		EXPECT_LE(last[v % 3], v);
		last[v % 3] = v;
	}
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

static void on_signal(int sig)
{
}

TEST_F(fetch, signals_while_blocked)
{
	struct mqbus_range range;
	int fd, way;
	pid_t pid;

	begin(self);
	fd = mq_member(self->topic, "g", 0);
	for (way = 0; way < 5; way++) {
		struct sigaction sa = { .sa_handler = on_signal };
		__u64 timeout = way == 1 || way == 2 ? 2 * MQ_LONG : MQBUS_WAIT_FOREVER;
		bool restart = way == 2 || way == 3;

		sa.sa_flags = restart ? SA_RESTART : 0;
		mq_fork(pid) {
			sigaction(SIGUSR1, &sa, NULL);
			if (way == 4)
				_exit(-read_number(fd));
			_exit(-mq_fetch(fd, &range, 1, 0, timeout));
		}
		ASSERT_TRUE(mq_wait_asleep(pid, way == 4 ? SYS_read : SYS_ioctl));
		kill(pid, SIGUSR1);
		if (way == 3) {
			mq_sleep(5 * MQ_MS);
			ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
			put_numbers(self->fd, 0, 1);
			EXPECT_EQ(255, mq_wait(pid));
		} else {
			EXPECT_EQ(EINTR, mq_wait(pid)) TH_LOG("way %d", way);
		}
	}
	close(fd);
}

TEST_F(fetch, lost_is_exact)
{
	unsigned int seed = 7, round;
	struct mq_reader r;
	__u64 next = 0, seen = 0, stored = 0;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	ASSERT_EQ(0, mq_reader_open(&r, self->topic, "g"));
	for (round = 0; round < 300; round++) {
		unsigned int n = rand_r(&seed) % 120;
		const struct mqbus_record *rec;
		__u64 before = r.lost;

		put_numbers(self->fd, stored, stored + n);
		stored += n;
		while ((rec = mq_next(&r, 0))) {
			ASSERT_EQ(rec->offset, number(rec));
			ASSERT_EQ(next + r.lost - before, rec->offset);
			before = r.lost;
			next = rec->offset + 1;
			seen++;
		}
		ASSERT_EQ(stored, seen + r.lost);
	}
	EXPECT_LT(0, r.lost);
	mq_reader_close(&r);
}

/* A range that did not arrive has told of nothing, nor of what is lost */
TEST_F(fetch, lost_is_told_after_a_fault)
{
	struct mqbus_range range;
	int fd;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	put_numbers(self->fd, 0, 100);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EFAULT, mq_fetch(fd, NULL, 1, 0, 0));
	EXPECT_EQ(-EFAULT, mq_fetch(fd, NULL, 1, 0, 0));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(44, range.begin_offset);
	EXPECT_EQ(44, range.lost);
	close(fd);
}

/* Work that was done may be settled, though its records are gone meanwhile */
TEST_F(fetch, commit_of_evicted)
{
	struct mqbus_seek_result r;
	struct mqbus_range range;
	int fd;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fd = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	put_numbers(self->fd, 10, 110);		/* 54 is the oldest now */
	EXPECT_EQ(0, mq_commit(fd, 0, 3));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_EARLIEST, 0, &r, 1));
	EXPECT_EQ(3, r.old_offset);
	EXPECT_EQ(0, mq_commit(fd, 0, 5));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 4));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 11));
	EXPECT_EQ(0, mq_commit(fd, 0, 10));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(54, range.begin_offset);
	EXPECT_EQ(44, range.lost);
	close(fd);
}

/* read() on a topic that evicts gives whole records, in order */
TEST_F(fetch, read_while_evicting)
{
	__u64 last = 0, first = 1, v;
	int fd, n = 0;
	pid_t pid;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fd = mq_member(self->topic, "g", 0);
	mq_fork(pid)
		put_numbers(self->fd, 1, 20001);
	while (last < 20000) {
		ASSERT_EQ(sizeof(v), read(fd, &v, sizeof(v)));
		ASSERT_LT(last, v);
		if (!n++)
			first = v;
		last = v;
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_LE(1, first);
	EXPECT_LT(0, n);
	close(fd);
}

TEST_F(fetch, retention)
{
	struct mqbus_range range;
	struct mq_map map;
	__u64 expired;
	int fd;

	begin(self, .retention = 30 * MQ_MS);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit(fd, 0, 3));
	expired = mq_record(&map, 4 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	put_numbers(self->fd, 5, 6);
	/* However old: what is not settled stays */
	EXPECT_EQ(3, map.page->head_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 6, 7);
	EXPECT_EQ(5, map.page->head_offset);
	/* Whoever looks at what is kept does not see what should be gone */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(5, range.begin_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	expired = mq_record(&map, 6 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "late"));
	EXPECT_EQ(7, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
	/* None without a limit, or before it */
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	close(self->fd);
	begin(self, .retention = 3600 * MQ_SEC);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 5, 6);
	EXPECT_EQ(0, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
}

TEST_HARNESS_MAIN
