// SPDX-License-Identifier: GPL-2.0
/*
 * The form of the ioctls: numbers, sizes, flags, reserved bytes, addresses,
 * states, names. What they do is the matter of the other programs.
 */
#include "mqbus_test.h"

enum { UNBOUND, PRODUCER, MEMBER, STATES };

/* A memory for the largest structure with room behind it */
union args {
	struct mqbus_info info;
	struct mqbus_topic_create topic_create;
	struct mqbus_topic_delete topic_delete;
	struct mqbus_group_create group_create;
	struct mqbus_group_delete group_delete;
	struct mqbus_group_seek group_seek;
	struct mqbus_produce produce;
	struct mqbus_join join;
	struct mqbus_publish publish;
	struct mqbus_fetch fetch;
	struct mqbus_commit commit;
	struct mqbus_geometry geometry;
	char bytes[16384];
};

#define NONE 0
#define RESERVED(_struct) offsetof(struct _struct, __reserved)
#define ANY_STATE { 0, 0, 0 }
#define ONLY_UNBOUND { 0, -EBADFD, -EBADFD }
#define ONLY_PRODUCER { -EBADFD, 0, -EBADFD }
#define ONLY_MEMBER { -EBADFD, -EBADFD, 0 }
#define BOUND { -EBADFD, 0, 0 }

/* Every structure begins with its flags */
static const struct op {
	const char *name;
	unsigned long cmd;
	__u32 known_flags;
	size_t reserved;
	bool has_output;
	int state[STATES];
} ops[] = {
	{ "INFO", MQBUS_IOC_INFO, 0, NONE, true, ANY_STATE },
	{ "TOPIC_CREATE", MQBUS_IOC_TOPIC_CREATE, 0, RESERVED(mqbus_topic_create), false,
	  ANY_STATE },
	{ "TOPIC_DELETE", MQBUS_IOC_TOPIC_DELETE, 0, RESERVED(mqbus_topic_delete), false,
	  ANY_STATE },
	{ "GROUP_CREATE", MQBUS_IOC_GROUP_CREATE, 0, NONE, false, ANY_STATE },
	{ "GROUP_DELETE", MQBUS_IOC_GROUP_DELETE, MQBUS_GROUP_DELETE_F_FORCE,
	  RESERVED(mqbus_group_delete), false, ANY_STATE },
	{ "GROUP_SEEK", MQBUS_IOC_GROUP_SEEK, MQBUS_GROUP_SEEK_F_DRY_RUN,
	  RESERVED(mqbus_group_seek), true, ANY_STATE },
	{ "PRODUCE", MQBUS_IOC_PRODUCE, 0, RESERVED(mqbus_produce), true, ONLY_UNBOUND },
	{ "JOIN", MQBUS_IOC_JOIN, 0, RESERVED(mqbus_join), false, ONLY_UNBOUND },
	{ "PUBLISH", MQBUS_IOC_PUBLISH, 0, NONE, true, ONLY_PRODUCER },
	{ "FETCH", MQBUS_IOC_FETCH, MQBUS_FETCH_F_COMMIT, RESERVED(mqbus_fetch), true,
	  ONLY_MEMBER },
	{ "COMMIT", MQBUS_IOC_COMMIT, MQBUS_COMMIT_F_FETCHED, NONE, true, ONLY_MEMBER },
	{ "GEOMETRY", MQBUS_IOC_GEOMETRY, 0, RESERVED(mqbus_geometry), true, BOUND },
};

#define NR_OPS (sizeof(ops) / sizeof(*ops))

FIXTURE(abi) {
	char topic[MQBUS_NAME_SIZE];
	int ep[STATES];
	struct mqbus_msg msg;
	struct mqbus_range range;
	struct mqbus_commit_entry entry;
	union args *args;
};

FIXTURE_SETUP(abi)
{
	mq_name(self->topic, "abi");
	self->ep[UNBOUND] = mq_open(0);
	ASSERT_EQ(0, mq_create(self->ep[UNBOUND], self->topic, .size = 1 << 20));
	ASSERT_EQ(0, mq_group(self->ep[UNBOUND], self->topic, "g"));
	/* Nobody joins this one, so that it may be sought and deleted */
	ASSERT_EQ(0, mq_group(self->ep[UNBOUND], self->topic, "idle"));
	self->ep[PRODUCER] = mq_producer(self->topic, 0);
	self->ep[MEMBER] = mq_member(self->topic, "g", 0);
	ASSERT_LE(0, self->ep[PRODUCER]);
	ASSERT_LE(0, self->ep[MEMBER]);
	self->msg = mq_msg("value", 5);
	self->args = malloc(sizeof(*self->args));
	ASSERT_NE(NULL, self->args);
}

FIXTURE_TEARDOWN(abi)
{
	int i;

	mq_delete(self->ep[UNBOUND], self->topic);
	for (i = 0; i < STATES; i++)
		close(self->ep[i]);
	free(self->args);
}

/*
 * Fill the arguments of a call that must succeed in the state that it needs,
 * whatever has been called before.
 */
static void valid(FIXTURE_DATA(abi) *self, unsigned int nr)
{
	union args *a = self->args;
	char other[MQBUS_NAME_SIZE];
	int fd = self->ep[UNBOUND];

	memset(a, 0, sizeof(*a));
	mq_name(other, "other");
	switch (nr) {
	case _IOC_NR(MQBUS_IOC_TOPIC_CREATE):
		a->topic_create.partitions = 1;
		a->topic_create.size = 4096;
		a->topic_create.uid = MQBUS_ANY;
		a->topic_create.gid = MQBUS_ANY;
		mq_set_name(a->topic_create.name, other);
		break;
	case _IOC_NR(MQBUS_IOC_TOPIC_DELETE):
		mq_create(fd, other, .size = 4096);
		mq_set_name(a->topic_delete.name, other);
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_CREATE):
		mq_set_name(a->group_create.topic, self->topic);
		mq_set_name(a->group_create.group, other);
		/* Of those that are made here, only one stays */
		mq_group_delete(fd, self->topic, "made", 0);
		mq_set_name(a->group_create.group, "made");
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_DELETE):
		mq_set_name(a->group_delete.topic, self->topic);
		mq_set_name(a->group_delete.group, other);
		mq_group(fd, self->topic, other);
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_SEEK):
		mq_set_name(a->group_seek.topic, self->topic);
		mq_set_name(a->group_seek.group, "idle");
		a->group_seek.partition = MQBUS_ANY;
		break;
	case _IOC_NR(MQBUS_IOC_PRODUCE):
		mq_set_name(a->produce.topic, self->topic);
		break;
	case _IOC_NR(MQBUS_IOC_JOIN):
		mq_set_name(a->join.topic, self->topic);
		mq_set_name(a->join.group, "g");
		break;
	case _IOC_NR(MQBUS_IOC_PUBLISH):
		a->publish.count = 1;
		a->publish.msgs = (uintptr_t)&self->msg;
		a->publish.msg_size = sizeof(self->msg);
		break;
	case _IOC_NR(MQBUS_IOC_FETCH):
		mq_put(self->ep[PRODUCER], "x", 1, 0);
		a->fetch.nr_ranges = 1;
		a->fetch.ranges = (uintptr_t)&self->range;
		a->fetch.range_size = sizeof(self->range);
		break;
	case _IOC_NR(MQBUS_IOC_COMMIT):
		a->commit.flags = MQBUS_COMMIT_F_FETCHED;
		break;
	}
}

/* The state in which a call is allowed; a fresh endpoint for those that bind */
static int right_endpoint(FIXTURE_DATA(abi) *self, unsigned int nr)
{
	int state;

	if (ops[nr].cmd == MQBUS_IOC_PRODUCE || ops[nr].cmd == MQBUS_IOC_JOIN)
		return mq_open(0);
	for (state = 0; ops[nr].state[state]; state++)
		;
	return dup(self->ep[state]);
}

/* Call with valid arguments but for what the caller changed in them. */
static int call(FIXTURE_DATA(abi) *self, unsigned int nr, unsigned long cmd, void *arg)
{
	int fd = right_endpoint(self, nr);
	int ret = mq_ioctl(fd, cmd, arg);

	close(fd);
	return ret;
}

static unsigned long sized(unsigned long cmd, unsigned int size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

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
	/* A kind that it does not know is no different from a flag */
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
	EXPECT_EQ(-EINVAL, mq_create(fd, "x", .mode = 0700));
	EXPECT_EQ(-EINVAL, mq_create(fd, "x", .mode = 01600));
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", MQBUS_WHENCE_TIME + 1, 0, 0));
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", 0, 0, 0610));
	/* A number that this whence has no use for */
	EXPECT_EQ(-EINVAL, mq_group_create(fd, self->topic, "x", MQBUS_WHENCE_LATEST, 1, 0));
	EXPECT_EQ(-EINVAL, mq_seek(fd, self->topic, "idle", 0, MQBUS_ANY,
				   MQBUS_WHENCE_TIME + 1, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, mq_seek(fd, self->topic, "idle", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 1, NULL, 0));
}

TEST_F(abi, structure_sizes)
{
	unsigned int nr, size, i;

	for (nr = 0; nr < NR_OPS; nr++) {
		unsigned long cmd = ops[nr].cmd;
		unsigned int shorter[] = { 0, 1, 4, _IOC_SIZE(cmd) - 8, _IOC_SIZE(cmd) - 1 };
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
			/* What it does not know stays as it was: zero */
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
	void *wild[] = { NULL, (void *)8, (void *)MQ_KERNEL_ADDR, (void *)MQ_ODD_ADDR,
			 (void *)-1UL, (void *)-64UL, mq_before_hole(1) };
	unsigned int nr, i;
	char *hole = mq_before_hole(1);

	for (nr = 0; nr < NR_OPS; nr++) {
		size_t size = _IOC_SIZE(ops[nr].cmd);

		for (i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
			EXPECT_EQ(-EFAULT, call(self, nr, ops[nr].cmd, wild[i]))
				TH_LOG("%s at %p", ops[nr].name, wild[i]);
		}
		/* Only the last byte is not there */
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
	unsigned int nr, state;
	char byte = 0;

	for (nr = 0; nr < NR_OPS; nr++) {
		for (state = 0; state < STATES; state++) {
			/* Those that bind would change the fixture's endpoint */
			bool binds = state == UNBOUND && ops[nr].state[PRODUCER];
			int fd = binds ? mq_open(0) : dup(self->ep[state]);

			valid(self, nr);
			EXPECT_EQ(ops[nr].state[state], mq_ioctl(fd, ops[nr].cmd, self->args))
				TH_LOG("%s in state %u", ops[nr].name, state);
			close(fd);
		}
	}
	for (state = 0; state < STATES; state++) {
		if (state != MEMBER) {
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
		/* A bus is not a file with a place in it */
		EXPECT_EQ(-1, lseek(self->ep[state], 0, SEEK_SET));
		EXPECT_EQ(ESPIPE, errno);
		EXPECT_EQ(-1, pwrite(self->ep[state], &byte, 1, 0));
		EXPECT_EQ(ESPIPE, errno);
	}
	EXPECT_EQ(POLLERR, ({
		struct pollfd p = { .fd = self->ep[UNBOUND], .events = POLLIN | POLLOUT };
		poll(&p, 1, 0);
		p.revents;
	}));
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

	memset(self->args, 0xcc, sizeof(*self->args));
	self->args->geometry.flags = 0;
	self->args->geometry.partition = 0;
	self->args->geometry.__reserved = 0;
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
	EXPECT_EQ(0, geo.__reserved);
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

	/* Places of what was not stored stay untouched */
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

	/* Not even the fields that success would fill */
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

TEST_F(abi, counts)
{
	static struct mqbus_commit_entry entries[MQBUS_PARTITIONS_MAX + 1];
	struct mqbus_commit commit = { .entries = (uintptr_t)entries,
				       .entry_size = sizeof(*entries) };

	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, 0, NULL, 0, NULL));
	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, MQBUS_BATCH_MAX + 1, NULL,
				      0, NULL));
	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, ~0U, NULL, 0, NULL));
	EXPECT_EQ(-ERANGE, mq_fetch(self->ep[MEMBER], &self->range, 0, 0, 0));
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	commit.nr_entries = MQBUS_PARTITIONS_MAX + 1;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	commit.nr_entries = MQBUS_PARTITIONS_MAX;
	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	EXPECT_EQ(MQBUS_PARTITIONS_MAX, commit.committed);
	commit.flags = MQBUS_COMMIT_F_FETCHED;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
}

TEST_F(abi, nonblocking)
{
	int member = mq_member(self->topic, "g", O_NONBLOCK), producer;
	struct mqbus_range range;
	static char block[64 << 10];
	char byte;

	/* Whatever the timeout says */
	EXPECT_EQ(-EAGAIN, mq_fetch(member, &range, 1, 0, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-1, read(member, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-EAGAIN, mq_fetch(self->ep[MEMBER], &range, 1, 0, 0));
	close(member);

	producer = self->ep[PRODUCER];
	ASSERT_EQ(0, fcntl(producer, F_SETFL, O_NONBLOCK));
	while (mq_put(producer, block, sizeof(block), MQBUS_WAIT_FOREVER) == 1)
		;
	EXPECT_EQ(-EAGAIN, mq_put(producer, block, sizeof(block), MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-1, write(producer, block, sizeof(block)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, fcntl(producer, F_SETFL, 0));
	EXPECT_EQ(-EAGAIN, mq_put(producer, block, sizeof(block), 0));
	EXPECT_EQ(-ETIMEDOUT, mq_put(producer, block, sizeof(block), MQ_MS));
}

/* A timeout that is over before the wait begins is still a timeout */
TEST_F(abi, shortest_timeout)
{
	static char block[64 << 10];
	struct mqbus_range range;
	__u64 ns;

	for (ns = 1; ns < 100000; ns *= 3)
		EXPECT_EQ(-ETIMEDOUT, mq_fetch(self->ep[MEMBER], &range, 1, 0, ns));
	while (mq_put(self->ep[PRODUCER], block, sizeof(block), 0) == 1)
		;
	for (ns = 1; ns < 100000; ns *= 3)
		EXPECT_EQ(-ETIMEDOUT, mq_put(self->ep[PRODUCER], block, sizeof(block), ns));
}

/* Elements of arrays grow as structures do, with the size beside the address */
TEST_F(abi, element_sizes)
{
	struct { struct mqbus_msg m; __u64 tail; } msgs[2] = { { self->msg, 0 }, { self->msg, 0 } };
	struct { struct mqbus_place p; __u64 tail; } places[2];
	struct { struct mqbus_range r; __u64 tail; } ranges[2];
	struct { struct mqbus_commit_entry e; __u64 tail; } entries[2] = {};
	struct { struct mqbus_seek_result r; __u64 tail; } results[2];
	struct mqbus_publish publish = {
		.count = 2, .msgs = (uintptr_t)msgs, .msg_size = sizeof(*msgs),
		.places = (uintptr_t)places, .place_size = sizeof(*places),
	};
	struct mqbus_fetch fetch = {
		.nr_ranges = 2, .ranges = (uintptr_t)ranges, .range_size = sizeof(*ranges),
	};
	struct mqbus_commit commit = {
		.nr_entries = 2, .entries = (uintptr_t)entries, .entry_size = sizeof(*entries),
	};
	struct mqbus_group_seek seek = {
		.partition = MQBUS_ANY, .results = (uintptr_t)results, .nr_results = 1,
		.result_size = sizeof(*results),
	};

	memset(places, 0, sizeof(places));
	memset(ranges, 0, sizeof(ranges));
	EXPECT_EQ(0, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	EXPECT_EQ(2, publish.published);
	EXPECT_EQ(1, places[1].p.offset);
	msgs[1].tail = 1;
	publish.published = 0;
	EXPECT_EQ(0, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	EXPECT_EQ(1, publish.published);
	EXPECT_EQ(E2BIG, publish.error);
	msgs[1].tail = 0;

	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_FETCH, &fetch));
	EXPECT_EQ(3, ranges[0].r.end_offset);
	entries[0].e.offset = 1;
	entries[1].e.offset = 2;
	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	EXPECT_EQ(2, commit.committed);
	mq_set_name(seek.topic, self->topic);
	mq_set_name(seek.group, "idle");
	EXPECT_EQ(0, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_SEEK, &seek));
	EXPECT_EQ(3, results[0].r.end_offset);

	/* Shorter than the first version */
	publish.msg_size = sizeof(struct mqbus_msg) - 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	publish.msg_size = sizeof(struct mqbus_msg);
	publish.place_size = 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	fetch.range_size = 0;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_FETCH, &fetch));
	commit.entry_size = 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	seek.result_size = 16;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_SEEK, &seek));
}

TEST_F(abi, names)
{
	static const struct {
		const char *bytes;
		size_t len;
		int err;
	} bad[] = {
		{ "", 0, -EINVAL },
		{ "\0a", 2, -EINVAL },
		{ "a\0b", 3, -EINVAL },
		{ "-x", 2, -EILSEQ },
		{ ".", 1, -EILSEQ },
		{ "..", 2, -EILSEQ },
		{ ".x", 2, -EILSEQ },
		{ "a b", 3, -EILSEQ },
		{ "a/b", 3, -EILSEQ },
		{ "a\nb", 3, -EILSEQ },
		{ "a\x1b[m", 4, -EILSEQ },
		{ "a\x7f", 2, -EILSEQ },
		{ "\xc3\xa4", 2, -EILSEQ },
		{ "a\xff", 2, -EILSEQ },
		{ "a*", 2, -EILSEQ },
		{ "a\\", 2, -EILSEQ },
		{ "a%", 2, -EILSEQ },
	};
	/* Every name of every call: its place in the structure */
	static const struct {
		unsigned long cmd;
		size_t at;
	} fields[] = {
		{ MQBUS_IOC_TOPIC_CREATE, offsetof(struct mqbus_topic_create, name) },
		{ MQBUS_IOC_TOPIC_DELETE, offsetof(struct mqbus_topic_delete, name) },
		{ MQBUS_IOC_GROUP_CREATE, offsetof(struct mqbus_group_create, topic) },
		{ MQBUS_IOC_GROUP_CREATE, offsetof(struct mqbus_group_create, group) },
		{ MQBUS_IOC_GROUP_DELETE, offsetof(struct mqbus_group_delete, topic) },
		{ MQBUS_IOC_GROUP_DELETE, offsetof(struct mqbus_group_delete, group) },
		{ MQBUS_IOC_GROUP_SEEK, offsetof(struct mqbus_group_seek, topic) },
		{ MQBUS_IOC_GROUP_SEEK, offsetof(struct mqbus_group_seek, group) },
		{ MQBUS_IOC_PRODUCE, offsetof(struct mqbus_produce, topic) },
		{ MQBUS_IOC_JOIN, offsetof(struct mqbus_join, topic) },
		{ MQBUS_IOC_JOIN, offsetof(struct mqbus_join, group) },
	};
	unsigned int i, f;

	for (f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
		unsigned int nr = _IOC_NR(fields[f].cmd);
		char *name;

		valid(self, nr);
		name = self->args->bytes + fields[f].at;
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			memset(name, 0, MQBUS_NAME_SIZE);
			memcpy(name, bad[i].bytes, bad[i].len);
			EXPECT_EQ(bad[i].err, call(self, nr, fields[f].cmd, self->args))
				TH_LOG("%s, name %u", ops[nr].name, i);
		}
		memset(name, 'a', MQBUS_NAME_SIZE);
		EXPECT_EQ(-ENAMETOOLONG, call(self, nr, fields[f].cmd, self->args));
		/* The longest there is: good, so only its absence can be at fault */
		name[MQBUS_NAME_SIZE - 1] = 0;
		if (fields[f].cmd != MQBUS_IOC_TOPIC_CREATE &&
		    fields[f].at != offsetof(struct mqbus_group_create, group))
			EXPECT_EQ(-ENOENT, call(self, nr, fields[f].cmd, self->args))
				TH_LOG("%s", ops[nr].name);
	}
}

TEST_F(abi, good_names)
{
	static const char * const good[] = { "a", "0", "_", ":", "@", "a.b-c_d:e@f", "A9",
					     "a..", "a-" };
	char longest[MQBUS_NAME_SIZE] = {};
	int fd = self->ep[UNBOUND];
	unsigned int i;

	memset(longest, 'z', MQBUS_NAME_SIZE - 1);
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		EXPECT_EQ(0, mq_create(fd, good[i], .size = 4096)) TH_LOG("%s", good[i]);
		EXPECT_EQ(0, mq_group(fd, self->topic, good[i]));
		EXPECT_EQ(0, mq_delete(fd, good[i]));
	}
	EXPECT_EQ(0, mq_create(fd, longest, .size = 4096));
	EXPECT_EQ(-EEXIST, mq_create(fd, longest, .size = 4096));
	/* A name is not its beginning */
	longest[MQBUS_NAME_SIZE - 2] = 0;
	EXPECT_EQ(-ENOENT, mq_delete(fd, longest));
	longest[MQBUS_NAME_SIZE - 2] = 'z';
	EXPECT_EQ(0, mq_delete(fd, longest));
}

TEST_HARNESS_MAIN
