// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions of named producers and of fenced members: duplicates, gaps, and names of others,
 * each in each place.
 */
#include "transaction.h"
#include "producer.h"
#include "stream.h"

TEST_F(exchange, gaps_and_fences)
{
	struct mqbus_produce produce;
	int old, new;

	old = open_named(self->to[1], "name", &produce);
	ASSERT_LE(0, old);
	EXPECT_EQ(0, produce.last_seq);
	refused(_metadata, self, old, 2, MQBUS_WAIT_FOREVER, -EPROTO);
	refused(_metadata, self, old, ~0ULL, MQBUS_WAIT_FOREVER, -EPROTO);
	publish_from_as(self, 1, old, 1);
	EXPECT_EQ(0, go(self, 0, NULL));
	ASSERT_TRUE(other_leases(self, 0));
	refused(_metadata, self, old, EACH + 2, 0, -EPROTO);
	new = open_named(self->to[1], "name", &produce);
	ASSERT_LE(0, new);
	EXPECT_EQ(EACH, produce.last_seq);
	EXPECT_EQ(2, produce.epoch);
	/* Also the records that it had stored before */
	refused(_metadata, self, old, 0, MQBUS_WAIT_FOREVER, -ENOLINK);
	refused(_metadata, self, old, 1, MQBUS_WAIT_FOREVER, -ENOLINK);
	refused(_metadata, self, old, EACH + 1, MQBUS_WAIT_FOREVER, -ENOLINK);
	close(old);
	close(new);
}

/* Records stored before are reported and not stored again; the other acts are done */
TEST_F(exchange, duplicates)
{
	struct mqbus_place places[EACH];
	struct mqbus_produce produce;
	struct mqbus_transact args;
	struct mqbus_act *act = &self->x.acts[0];
	int fd = open_named(self->to[1], "name", &produce), i, round;

	/* 1 to 3, then 2 to 4, then 2 to 4 once more */
	for (round = 0; round < 3; round++) {
		__u64 first = round ? 2 : 1, had = round == 0 ? 0 : round == 1 ? 2 : 3;
		__u64 end = mq_end(self->ctl, self->to[1], "s", 0);

		memset(places, 0xcc, sizeof(places));
		publish_from_as(self, 0, fd, first);
		act->places = (uintptr_t)places;
		act->place_size = sizeof(*places);
		EXPECT_EQ(0, go(self, 0, &args));
		EXPECT_EQ(had, args.duplicates);
		for (i = 0; i < EACH; i++) {
			EXPECT_EQ(i < had ? MQBUS_ANY : 0, places[i].partition);
			if (i >= had)
				EXPECT_EQ(end++, places[i].offset);
		}
		EXPECT_EQ(end, mq_end(self->ctl, self->to[1], "s", 0));
		/* All of the other topic, and the settlements */
		EXPECT_EQ((round + 1) * EACH, mq_end(self->ctl, self->to[0], "s", 0));
		EXPECT_EQ((round + 1) * EACH, FIGURE(self, ACKED));
		ASSERT_TRUE(other_leases(self, round));
	}
	close(fd);
	fd = open_named(self->to[1], "name", &produce);
	EXPECT_EQ(4, produce.last_seq);
	close(fd);
}

/* Two acts by one name: an endpoint holds it, which may be named once */
TEST_F(exchange, failure_takes_no_number)
{
	struct mqbus_produce produce;
	struct mq_reader reader;
	const struct mqbus_record *rec;
	int fd = open_named(self->to[1], "name", &produce), i;

	for (i = 0; i < 5; i++) {
		publish_from_as(self, i % 4, fd, 0);
		self->x.settles[1].lease = 1ULL << 50;
		EXPECT_EQ(-ENOENT, go(self, 0, NULL));
	}
	publish_from_as(self, 1, fd, 0);
	EXPECT_EQ(0, go(self, 0, NULL));
	ASSERT_EQ(0, mq_reader_open(&reader, self->to[1], "s"));
	for (i = 1; i <= EACH; i++) {
		rec = mq_next(&reader, 0);
		ASSERT_NE(NULL, rec);
		EXPECT_EQ(i, rec->seq);
		EXPECT_EQ(1, rec->epoch);
		EXPECT_EQ(produce.producer, rec->producer);
	}
	mq_reader_close(&reader);
	close(fd);
	fd = open_named(self->to[1], "name", &produce);
	EXPECT_EQ(EACH, produce.last_seq);
	close(fd);
}

/* Fenced while it waits: the call ends at once, and nothing has changed */
TEST_F(exchange, fenced_while_it_waits)
{
	struct mqbus_produce produce;
	struct state before, after;
	char block[2000] = {};
	int fd, other;
	pid_t pid;

	while (mq_put(self->out[1], block, sizeof(block), 0) == 1)
		;
	while (mq_put(self->out[1], "x", 1, 0) == 1)
		;
	fd = open_named(self->to[1], "name", &produce);
	before = state(self);
	mq_fork(pid) {
		publish_from_as(self, 2, fd, 0);
		_exit(-go(self, MQBUS_WAIT_FOREVER, NULL));
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	other = open_named(self->to[1], "name", &produce);
	ASSERT_LE(0, other);
	EXPECT_EQ(ENOLINK, mq_wait(pid));
	/* Its endpoint is charged as long as it is open */
	close(other);
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	close(fd);
}

enum { FENCED, TO_DELETED, FROM_DELETED, OVERS };

/* What ends another act ends the wait for room elsewhere */
TEST_F(exchange, over_while_it_waits_elsewhere)
{
	static const int errors[OVERS] = { ENOLINK, EIDRM, EIDRM };
	struct mqbus_produce produce;
	char value[2000] = {};
	int fds[2] = { -1, -1 };
	pid_t pid;
	int i;

	while (mq_put(self->out[1], value, sizeof(value), 0) == 1)
		;
	while (mq_put(self->out[1], "x", 1, 0) == 1)
		;
	for (i = 0; i < OVERS; i++) {
		fill_in(self);
		if (i == FENCED)
			fds[0] = open_named(self->to[0], "name", &produce);
		self->x.acts[FIRST_PUBLISH].fd = i == FENCED ? fds[0] :
						 self->out[i == TO_DELETED ? 0 : 2];
		mq_fork(pid)
			_exit(-go(self, MQBUS_WAIT_FOREVER, NULL));
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
		if (i == FENCED)
			fds[1] = open_named(self->to[0], "name", &produce);
		else
			ASSERT_EQ(0, mq_delete(self->ctl, i == TO_DELETED ? self->to[0] :
								   self->topic));
		EXPECT_EQ(errors[i], mq_wait(pid)) TH_LOG("%d", i);
	}
	for (i = 0; i < 2; i++)
		close(fds[i]);
}

/* Fenced members: by a seek, by a new member with the same id, by time */
TEST_F(exchange, fenced_members)
{
	struct mqbus_commit_entry entry = { .partition = 0, .offset = 1 };
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_range ranges[PARTS];
	struct mqbus_transact args;
	struct mqbus_act acts[2];
	__u64 end = mq_end(self->ctl, self->to[0], "s", 0);
	int old, new, i;

	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "shared", .grace = MQ_LONG));
	old = mq_member_as(self->topic, "shared", "id", 0);
	ASSERT_EQ(PARTS, mq_fetch(old, ranges, PARTS, 0, 0));
	acts[0] = act_publish(self->out[0], &msg, 1);
	acts[1] = act_commit(old, &entry, 1);
	ASSERT_EQ(PARTS, mq_seek(self->ctl, self->topic, "shared", MQBUS_GROUP_SEEK_F_FORCE,
				 MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0, NULL, 0));
	for (i = 0; i < 2; i++) {
		entry.generation = i ? ranges[0].generation : 0;
		EXPECT_EQ(-ENOLINK, mq_transact(self->ctl, acts, 2, 0, &args));
		EXPECT_EQ(1, args.failed_act);
		EXPECT_EQ(0, args.failed_element);
	}
	/* Once it has joined again it has its new fetches, and the old ones stay lost */
	ASSERT_EQ(PARTS, mq_fetch(old, ranges, PARTS, 0, 0));
	entry.generation = ranges[0].generation - 1;
	EXPECT_NE(0, mq_transact(self->ctl, acts, 2, 0, &args));
	entry.generation = ranges[0].generation;
	EXPECT_EQ(end, mq_end(self->ctl, self->to[0], "s", 0));
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 2, 0, &args));
	EXPECT_EQ(end + 1, mq_end(self->ctl, self->to[0], "s", 0));
	/* With its id taken it is out for good */
	new = mq_member_as(self->topic, "shared", "id", 0);
	ASSERT_LE(0, new);
	entry.offset = 2;
	for (i = 0; i < 2; i++) {
		entry.generation = i ? ranges[0].generation : 0;
		EXPECT_EQ(-ENOLINK, mq_transact(self->ctl, acts, 2, 0, &args));
	}
	EXPECT_EQ(1, mq_committed(self->ctl, self->topic, "shared", 0));
	EXPECT_EQ(end + 1, mq_end(self->ctl, self->to[0], "s", 0));
	close(old);
	close(new);
}

TEST_HARNESS_MAIN
