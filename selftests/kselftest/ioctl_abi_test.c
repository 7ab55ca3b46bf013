// SPDX-License-Identifier: GPL-2.0
/*
 * The form of the ioctls: numbers, sizes, flags, reserved bytes, addresses, states, output. The
 * other programs test their effects.
 */
#include "abi.h"

TEST_F(abi, valid_arguments_are_taken)
{
	unsigned int nr;

	for (nr = 0; nr < NR_OPS; nr++) {
		ASSERT_EQ(nr, _IOC_NR(ops[nr].cmd));
		valid(self, nr);
		EXPECT_EQ(0, call(self, nr, ops[nr].cmd, self->args)) TH_LOG("%s", ops[nr].name);
	}
}

TEST_F(abi, unknown_flags)
{
	unsigned int nr, bit;

	for (nr = 0; nr < NR_OPS; nr++) {
		valid(self, nr);
		for (bit = 0; bit < 32; bit++) {
			if (ops[nr].known_flags & 1U << bit)
				continue;
			self->args->info.flags |= 1U << bit;
			EXPECT_EQ(-EOPNOTSUPP, call(self, nr, ops[nr].cmd, self->args))
				TH_LOG("%s, flag %u", ops[nr].name, bit);
			self->args->info.flags &= ~(1U << bit);
		}
	}
	self->msg.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_publish(self->ep[PRODUCER], &self->msg, 1, NULL, 0, NULL));
	/* An unknown kind is like an unknown flag */
	valid(self, _IOC_NR(MQBUS_IOC_GROUP_CREATE));
	self->args->group_create.type = MQBUS_GROUP_STREAM + 99;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_CREATE, self->args));
}

TEST_F(abi, reserved_bytes)
{
	unsigned int nr, byte;

	for (nr = 0; nr < NR_OPS; nr++) {
		if (!ops[nr].reserved)
			continue;
		for (byte = 0; byte < 4; byte++) {
			valid(self, nr);
			self->args->bytes[ops[nr].reserved + byte] = 0x80;
			EXPECT_EQ(-EINVAL, call(self, nr, ops[nr].cmd, self->args))
				TH_LOG("%s, byte %u", ops[nr].name, byte);
		}
	}
	self->msg.__reserved = 1ULL << 63;
	EXPECT_EQ(-EINVAL, mq_publish(self->ep[PRODUCER], &self->msg, 1, NULL, 0, NULL));
}

TEST_F(abi, unknown_enums)
{
	int fd = self->ep[UNBOUND];

	EXPECT_EQ(-EINVAL, mq_create(fd, "x", .full = MQBUS_FULL_EVICT + 1));
	EXPECT_EQ(-EINVAL, mq_create(fd, "x", .mode = 01600));
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", MQBUS_WHENCE_SHIFT, 0, 0));
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", MQBUS_WHENCE_SHIFT + 1, 0, 0));
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", 0, 0, 0610));
	/* A value that this whence does not use */
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", MQBUS_WHENCE_LATEST, 1, 0));
	EXPECT_EQ(-EINVAL, mq_seek(fd, self->topic, "idle", 0, MQBUS_ANY,
				   MQBUS_WHENCE_SHIFT + 1, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, mq_seek(fd, self->topic, "idle", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 1, NULL, 0));
}

TEST_F(abi, structure_sizes)
{
	unsigned int nr, size, i;

	for (nr = 0; nr < NR_OPS; nr++) {
		unsigned long cmd = ops[nr].cmd;
		unsigned int first = ops[nr].first ?: _IOC_SIZE(cmd);
		unsigned int shorter[] = { 0, 1, 4, first - 8, first - 1 };
		unsigned int longer[] = { _IOC_SIZE(cmd) + 1, _IOC_SIZE(cmd) + 8, 4096, 16383 };

		valid(self, nr);
		for (i = 0; i < sizeof(shorter) / sizeof(*shorter); i++) {
			EXPECT_EQ(-ENOTTY, call(self, nr, sized(cmd, shorter[i]), self->args))
				TH_LOG("%s of %u bytes", ops[nr].name, shorter[i]);
		}
		for (i = 0; i < sizeof(longer) / sizeof(*longer); i++) {
			size = longer[i];
			valid(self, nr);
			self->args->bytes[size - 1] = 1;
			EXPECT_EQ(-E2BIG, call(self, nr, sized(cmd, size), self->args))
				TH_LOG("%s, byte %u set", ops[nr].name, size - 1);
			self->args->bytes[size - 1] = 0;
			self->args->bytes[_IOC_SIZE(cmd)] = 1;
			EXPECT_EQ(-E2BIG, call(self, nr, sized(cmd, size), self->args));
			self->args->bytes[_IOC_SIZE(cmd)] = 0;
			EXPECT_EQ(0, call(self, nr, sized(cmd, size), self->args))
				TH_LOG("%s of %u bytes", ops[nr].name, size);
			/* Fields unknown to the program stay zero */
			EXPECT_EQ(0, self->args->bytes[_IOC_SIZE(cmd)]);
		}
	}
}

TEST_F(abi, unknown_numbers)
{
	unsigned int nr, dir;

	memset(self->args, 0, sizeof(*self->args));
	for (nr = NR_OPS; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, mq_ioctl(self->ep[UNBOUND],
					    _IOC(_IOC_READ | _IOC_WRITE, MQBUS_IOC_MAGIC, nr, 256),
					    self->args));
	for (nr = 0; nr < NR_OPS; nr++) {
		unsigned long cmd = ops[nr].cmd;

		valid(self, nr);
		EXPECT_EQ(-ENOTTY, call(self, nr, cmd ^ 0x100, self->args));
		for (dir = 0; dir < (_IOC_READ | _IOC_WRITE); dir++)
			EXPECT_EQ(-ENOTTY, call(self, nr,
						_IOC(dir, MQBUS_IOC_MAGIC, nr, _IOC_SIZE(cmd)),
						self->args));
	}
	EXPECT_EQ(-ENOTTY, mq_ioctl(self->ep[UNBOUND], 0x5401 /* TCGETS */, self->args));
}

TEST_F(abi, wild_pointers)
{
	void *wild[] = { NULL, (void *)8, MQ_KERNEL_PTR, (void *)(uintptr_t)MQ_ODD_ADDR,
			 (void *)-1UL, (void *)-64UL, mq_before_hole(1) };
	unsigned int nr, i;
	char *hole = mq_before_hole(1);

	for (nr = 0; nr < NR_OPS; nr++) {
		size_t size = _IOC_SIZE(ops[nr].cmd);

		for (i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
			EXPECT_EQ(-EFAULT, call(self, nr, ops[nr].cmd, wild[i]))
				TH_LOG("%s at %p", ops[nr].name, wild[i]);
		}
		/* Only the last byte is missing */
		valid(self, nr);
		memcpy(hole - size + 1, self->args, size - 1);
		EXPECT_EQ(-EFAULT, call(self, nr, ops[nr].cmd, hole - size + 1));
		memcpy(hole - size, self->args, size);
		EXPECT_EQ(0, call(self, nr, ops[nr].cmd, hole - size)) TH_LOG("%s", ops[nr].name);
	}
}

TEST_F(abi, read_only_output)
{
	unsigned int nr;
	char *page = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	for (nr = 0; nr < NR_OPS; nr++) {
		if (!ops[nr].has_output)
			continue;
		valid(self, nr);
		mprotect(page, MQ_PAGE, PROT_READ | PROT_WRITE);
		memcpy(page, self->args, _IOC_SIZE(ops[nr].cmd));
		mprotect(page, MQ_PAGE, PROT_READ);
		EXPECT_EQ(-EFAULT, call(self, nr, ops[nr].cmd, page)) TH_LOG("%s", ops[nr].name);
	}
	munmap(page, MQ_PAGE);
}

/* "The call fails with an errno only if none was stored"; fetch likewise */
TEST_F(abi, read_only_output_does_nothing)
{
	char *page = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct mqbus_range range = {};
	int fd = mq_open(0);

	valid(self, _IOC_NR(MQBUS_IOC_PUBLISH));
	memcpy(page, self->args, sizeof(struct mqbus_publish));
	mprotect(page, MQ_PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, page));
	EXPECT_EQ(-EAGAIN, mq_fetch(self->ep[MEMBER], &range, 1, 0, 0));

	valid(self, _IOC_NR(MQBUS_IOC_FETCH));	/* stores a record */
	mprotect(page, MQ_PAGE, PROT_READ | PROT_WRITE);
	memcpy(page, self->args, sizeof(struct mqbus_fetch));
	mprotect(page, MQ_PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_FETCH, page));
	EXPECT_EQ(1, mq_fetch(self->ep[MEMBER], &range, 1, 0, 0));

	valid(self, _IOC_NR(MQBUS_IOC_PRODUCE));
	mprotect(page, MQ_PAGE, PROT_READ | PROT_WRITE);
	memcpy(page, self->args, sizeof(struct mqbus_produce));
	mprotect(page, MQ_PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, mq_ioctl(fd, MQBUS_IOC_PRODUCE, page));
	EXPECT_EQ(0, mq_bind_producer(fd, self->topic));
	close(fd);
	munmap(page, MQ_PAGE);
}

TEST_F(abi, wrong_state)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };
	unsigned int nr, state;
	char byte = 0;

	for (nr = 0; nr < NR_OPS; nr++) {
		for (state = 0; state < STATES; state++) {
			/* Calls that bind would change the fixture's endpoint */
			bool binds = state == UNBOUND && ops[nr].state[PRODUCER];
			int fd = binds ? mq_open(0) : dup(self->ep[state]);

			valid(self, nr);
			EXPECT_EQ(ops[nr].state[state], mq_ioctl(fd, ops[nr].cmd, self->args))
				TH_LOG("%s in state %u", ops[nr].name, state);
			close(fd);
		}
	}
	for (state = 0; state < STATES; state++) {
		if (state != MEMBER && state != WORKER) {
			EXPECT_EQ(-1, read(self->ep[state], &byte, 1));
			EXPECT_EQ(EBADFD, errno);
			EXPECT_EQ(MAP_FAILED, mmap(NULL, MQ_PAGE + (2 << 20), PROT_READ,
						   MAP_SHARED, self->ep[state], 0));
			EXPECT_EQ(EBADFD, errno);
		}
		if (state != PRODUCER) {
			EXPECT_EQ(-1, write(self->ep[state], &byte, 1));
			EXPECT_EQ(EBADFD, errno);
		}
		/* The bus is no file with a position */
		EXPECT_EQ(-1, lseek(self->ep[state], 0, SEEK_SET));
		EXPECT_EQ(ESPIPE, errno);
		EXPECT_EQ(-1, pwrite(self->ep[state], &byte, 1, 0));
		EXPECT_EQ(ESPIPE, errno);
	}
	p.fd = self->ep[UNBOUND];
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLERR, p.revents);
}

static bool all_bytes(const void *p, size_t len, unsigned char value)
{
	const unsigned char *c = p;

	while (len && *c == value) {
		c++;
		len--;
	}
	return !len;
}

TEST_F(abi, output_is_whole)
{
	struct mqbus_info info;
	struct mqbus_geometry geo;

	memset(self->args, 0xcc, sizeof(*self->args));
	self->args->info.flags = 0;
	ASSERT_EQ(0, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_INFO, self->args));
	info = self->args->info;
	EXPECT_TRUE(all_bytes(self->args->bytes + sizeof(info), 256, 0xcc));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(sizeof(struct mqbus_record), info.record_header);
	EXPECT_EQ(0, info.features);
	EXPECT_EQ(MQ_PAGE, info.page_size);
	EXPECT_LE(sysconf(_SC_NPROCESSORS_CONF), info.cpus);
	EXPECT_LE(info.used_bytes, info.max_bytes);
	EXPECT_LE(1 << 20, info.used_bytes);
	EXPECT_EQ(4096, info.max_topics);
	EXPECT_EQ(64, info.max_groups);
	EXPECT_LT(0, info.max_user_bytes);
	EXPECT_GT(1ULL << 48, info.max_user_bytes);
	EXPECT_LE(1 << 20, info.used_user_bytes);
	EXPECT_LE(info.used_bytes, info.used_machine_bytes);
	EXPECT_LE(info.used_machine_bytes, info.max_machine_bytes);

	memset(self->args, 0xcc, sizeof(*self->args));
	self->args->geometry.flags = 0;
	self->args->geometry.partition = 0;
	ASSERT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_GEOMETRY, self->args));
	geo = self->args->geometry;
	EXPECT_TRUE(all_bytes(self->args->bytes + sizeof(geo), 256, 0xcc));
	EXPECT_EQ(0, geo.map_offset);
	EXPECT_EQ(MQ_PAGE + (2 << 20), geo.map_len);
	EXPECT_EQ(MQ_PAGE, geo.data_offset);
	EXPECT_EQ(1 << 20, geo.size);
	EXPECT_EQ(1, geo.partitions);
	EXPECT_EQ(MQBUS_FULL_BLOCK, geo.full);
	EXPECT_EQ(MQBUS_RECORD_DEFAULT, geo.max_record);
	EXPECT_EQ(MQBUS_WHY_NONE, geo.why);
	EXPECT_EQ(-ECHRNG, mq_geometry(self->ep[MEMBER], 1, &geo));
	EXPECT_EQ(-ECHRNG, mq_geometry(self->ep[PRODUCER], MQBUS_ANY, &geo));
}

TEST_F(abi, output_of_arrays)
{
	struct mqbus_place places[4];
	struct mqbus_range ranges[4];
	struct mqbus_seek_result results[4];
	struct mqbus_msg msgs[3] = { self->msg, self->msg, self->msg };
	int error;

	/* Places of records that were not stored stay untouched */
	memset(places, 0xcc, sizeof(places));
	msgs[2].partition = 7;
	EXPECT_EQ(2, mq_publish(self->ep[PRODUCER], msgs, 3, places, 0, &error));
	EXPECT_EQ(ECHRNG, error);
	EXPECT_EQ(0, places[0].partition);
	EXPECT_EQ(0, places[0].__reserved);
	EXPECT_EQ(0, places[0].offset);
	EXPECT_EQ(1, places[1].offset);
	EXPECT_TRUE(all_bytes(&places[2], 2 * sizeof(*places), 0xcc));

	memset(ranges, 0xcc, sizeof(ranges));
	EXPECT_EQ(1, mq_fetch(self->ep[MEMBER], ranges, 4, 0, 0));
	EXPECT_EQ(0, ranges[0].partition);
	EXPECT_EQ(0, ranges[0].__reserved);
	EXPECT_EQ(0, ranges[0].begin);
	EXPECT_EQ(144, ranges[0].end);
	EXPECT_EQ(0, ranges[0].begin_offset);
	EXPECT_EQ(2, ranges[0].end_offset);
	EXPECT_EQ(0, ranges[0].lost);
	EXPECT_TRUE(all_bytes(&ranges[1], 3 * sizeof(*ranges), 0xcc));

	memset(results, 0xcc, sizeof(results));
	EXPECT_EQ(1, mq_seek(self->ep[UNBOUND], self->topic, "idle", 0, MQBUS_ANY,
			     MQBUS_WHENCE_OFFSET, 1, results, 1));
	EXPECT_EQ(0, results[0].partition);
	EXPECT_EQ(0, results[0].__reserved);
	EXPECT_EQ(0, results[0].old_offset);
	EXPECT_EQ(1, results[0].new_offset);
	EXPECT_EQ(2, results[0].end_offset);
	EXPECT_TRUE(all_bytes(&results[1], 3 * sizeof(*results), 0xcc));
}

TEST_F(abi, failure_leaves_the_structure)
{
	unsigned int nr;

	/* Not even fields that success would fill */
	for (nr = 0; nr < NR_OPS; nr++) {
		union args before;

		memset(self->args, 0xcc, sizeof(*self->args));
		before = *self->args;
		EXPECT_GT(0, call(self, nr, ops[nr].cmd, self->args));
		EXPECT_EQ(0, memcmp(&before, self->args, sizeof(before)))
			TH_LOG("%s", ops[nr].name);
	}
	valid(self, _IOC_NR(MQBUS_IOC_PUBLISH));
	self->args->publish.published = 0xcccccccc;
	self->args->publish.error = 0xcccccccc;
	self->msg.partition = 3;
	EXPECT_EQ(-ECHRNG, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, self->args));
	EXPECT_EQ(0xcccccccc, self->args->publish.published);
	self->msg.partition = 0;
	EXPECT_EQ(0, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, self->args));
	EXPECT_EQ(1, self->args->publish.published);
	EXPECT_EQ(0, self->args->publish.error);
}

TEST_HARNESS_MAIN
