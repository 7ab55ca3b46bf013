// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of partitions: valid ones, and their content.
 */
#include "fetch.h"

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

/* A reader may open the device for reading only */
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
	/* As a whole it may move */
	q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	ASSERT_NE(MAP_FAILED, q);
	map.page = (void *)q;
	map.data = (void *)(q + MQ_PAGE);
	EXPECT_EQ(4, number(mq_record(&map, 4 * 72)));
	EXPECT_EQ(0, munmap(q, len));
	close(fd);
}

/* A mapping uses the endpoint: closing the descriptor does not end it */
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
	EXPECT_EQ(0, mq_left(self->ctl));
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

/* Many laps of records of all sizes: none is torn where the ring ends */
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

TEST_HARNESS_MAIN
