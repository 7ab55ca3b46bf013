// SPDX-License-Identifier: GPL-2.0
/*
 * What a consumer commits, and as whose: partitions that come, are wanted back, and go.
 * The kernel is this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"
#include "test.h"

#define PARTITIONS 3

/**
 * struct slot - a partition as the kernel has it
 * @ring: its records
 * @generation: of its owner; 0: it is not the consumer's
 * @given: offset behind what was fetched
 * @given_pos: position likewise
 * @committed: offset
 * @revoked: it is wanted back
 */
static struct slot {
	struct ring ring;
	uint32_t generation;
	uint64_t given;
	uint64_t given_pos;
	uint64_t committed;
	int revoked;
} slots[PARTITIONS];

/**
 * struct kernel - what it was asked
 * @calls: commits
 * @flags: of the last of them
 * @entries: copied from it
 * @nr_entries: their number
 * @transact: the last transaction
 * @produce: the last name opened
 * @publish: the last call
 */
static struct kernel {
	int calls;
	uint32_t flags;
	struct mqbus_commit_entry entries[PARTITIONS];
	uint32_t nr_entries;
	struct mqbus_transact transact;
	struct mqbus_produce produce;
	struct mqbus_publish publish;
} kernel;

int mqbus_device_open(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

int mqbus_device_name(char field[MQBUS_NAME_SIZE], const char *name)
{
	strncpy(field, name, MQBUS_NAME_SIZE - 1);
	return 0;
}

int mqbus_device_join(int fd, const char *topic, const char *group, const char *member,
		      struct mqbus_geometry *geometry)
{
	(void)fd;
	(void)topic;
	(void)group;
	geometry->partitions = PARTITIONS;
	geometry->full = MQBUS_FULL_BLOCK;
	return strcmp(member, "taken") ? 0 : -EACCES;
}

int mqbus_map_open(struct mqbus_map *map, int fd, uint32_t partition)
{
	struct ring *ring = &slots[partition].ring;

	(void)fd;
	map->page = &ring->page;
	map->data = ring->data;
	map->mask = ring->size - 1;
	return 0;
}

void mqbus_map_close(struct mqbus_map *map)
{
	(void)map;
}

static int commit_one(struct mqbus_commit_entry *entry)
{
	struct slot *slot = &slots[entry->partition];

	if (!slot->generation)
		return -ESTALE;
	if (entry->generation && entry->generation != slot->generation)
		return -ENOLINK;
	if (entry->offset < slot->committed || entry->offset > slot->given)
		return -ERANGE;
	slot->committed = entry->offset;
	return 0;
}

static int call_commit(struct mqbus_commit *arg)
{
	struct mqbus_commit_entry *entries = (void *)(uintptr_t)arg->entries;
	uint32_t i;
	int first = 0;

	kernel.calls++;
	kernel.flags = arg->flags;
	kernel.nr_entries = arg->nr_entries;
	arg->committed = 0;
	for (i = 0; i < arg->nr_entries; i++) {
		kernel.entries[i] = entries[i];
		entries[i].error = -commit_one(&entries[i]);
		arg->committed += !entries[i].error;
		if (!first)
			first = entries[i].error;
	}
	if (arg->nr_entries && !arg->committed)
		return -first;
	for (i = 0; i < PARTITIONS && arg->flags & MQBUS_COMMIT_F_RELEASE; i++) {
		if (slots[i].revoked)
			slots[i].generation = 0;
	}
	return 0;
}

static int call_fetch(struct mqbus_fetch *arg)
{
	struct mqbus_range *ranges = (void *)(uintptr_t)arg->ranges;
	uint32_t i, n = 0;

	for (i = 0; i < PARTITIONS; i++) {
		struct slot *slot = &slots[i];
		struct mqbus_range *range = &ranges[n];

		if (!slot->generation || slot->revoked > 1 ||
		    (!slot->revoked && slot->given == slot->ring.page.next_offset))
			continue;
		memset(range, 0, sizeof(*range));
		range->partition = i;
		range->generation = slot->generation;
		range->begin = slot->given_pos;
		range->begin_offset = slot->given;
		if (slot->revoked) {
			/* Told once */
			slot->revoked = 2;
			range->flags = MQBUS_RANGE_F_REVOKED;
		} else {
			slot->given_pos = slot->ring.page.tail;
			slot->given = slot->ring.page.next_offset;
		}
		range->end = slot->given_pos;
		range->end_offset = slot->given;
		n++;
	}
	arg->nr_ranges = n;
	return n ? 0 : -EAGAIN;
}

int mqbus_device_call(int fd, unsigned long request, void *arg)
{
	(void)fd;
	switch (request) {
	case MQBUS_IOC_COMMIT:
		return call_commit(arg);
	case MQBUS_IOC_FETCH:
		return call_fetch(arg);
	case MQBUS_IOC_TRANSACT:
		kernel.transact = *(struct mqbus_transact *)arg;
		((struct mqbus_transact *)arg)->failed_act = 1;
		return -ETIMEDOUT;
	case MQBUS_IOC_PRODUCE:
		kernel.produce = *(struct mqbus_produce *)arg;
		((struct mqbus_produce *)arg)->last_seq = 41;
		((struct mqbus_produce *)arg)->epoch = 2;
		return 0;
	case MQBUS_IOC_PUBLISH:
		kernel.publish = *(struct mqbus_publish *)arg;
		((struct mqbus_publish *)arg)->published = 3;
		((struct mqbus_publish *)arg)->duplicates = 2;
		return 0;
	}
	return 0;
}

static struct mqbus_consumer *setup(void)
{
	struct mqbus_consumer *c;
	int i;

	memset(&kernel, 0, sizeof(kernel));
	memset(slots, 0, sizeof(slots));
	for (i = 0; i < PARTITIONS; i++) {
		ring_make(&slots[i].ring, 4096);
		slots[i].generation = 10 + i;
	}
	if (mqbus_consumer_open_as(&c, "t", "g", "me"))
		abort();
	return c;
}

static void teardown(struct mqbus_consumer *c)
{
	int i;

	mqbus_consumer_close(c);
	for (i = 0; i < PARTITIONS; i++)
		ring_free(&slots[i].ring);
}

static void append(int partition, int n)
{
	while (n--)
		ring_append(&slots[partition].ring, 8);
}

/* Walk up to @max records; returns how many of partition @of there were. */
static int walk(struct mqbus_consumer *c, int max, uint32_t of)
{
	const struct mqbus_record *rec;
	uint32_t partition;
	int n = 0;

	while (max-- && (rec = mqbus_consumer_next(c, &partition))) {
		if (!ring_whole(rec))
			return -1;
		n += partition == of;
	}
	return n;
}

static int all_committed(uint64_t a, uint64_t b, uint64_t c)
{
	return slots[0].committed == a && slots[1].committed == b && slots[2].committed == c;
}

static void test_generations(void)
{
	struct mqbus_consumer *c = setup();

	append(0, 5);
	append(1, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 7, 0);
	TEST(!mqbus_consumer_commit(c) && all_committed(5, 2, 0), "what was walked is committed");
	TEST(kernel.nr_entries == 2 && kernel.entries[0].generation == 10 &&
	     kernel.entries[1].generation == 11, "each as of the generation that it came with");
	TEST(!mqbus_consumer_commit(c) && kernel.calls == 1, "nothing new is no call");
	TEST(!mqbus_consumer_commit_to(c, 1, 4) && kernel.entries[0].generation == 11 &&
	     all_committed(5, 4, 0), "and so it is by one's own book");
	walk(c, 3, 0);
	slots[1].generation = 20;
	append(0, 1);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 1, 0);
	TEST(mqbus_consumer_commit(c) == -ENOLINK && all_committed(6, 4, 0),
	     "a partition that went away and came back is not committed for its time before");
	teardown(c);
}

static void test_gone(void)
{
	struct mqbus_consumer *c = setup();

	append(0, 5);
	append(1, 5);
	append(2, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 7, 0);
	slots[1].generation = 0;
	TEST(mqbus_consumer_commit(c) == -ESTALE && all_committed(5, 0, 0), "one is gone");
	TEST(walk(c, 100, 2) == 5 && !mqbus_consumer_next(c, NULL),
	     "what is left of it is not walked, but what follows is");
	TEST(!mqbus_consumer_commit(c) && all_committed(5, 0, 5), "and committed");
	slots[1].generation = 21;
	slots[1].given = 0;
	slots[1].given_pos = 0;
	mqbus_consumer_fetch(c, 0, 0);
	TEST(walk(c, 100, 1) == 5 && !mqbus_consumer_commit(c) && all_committed(5, 5, 5),
	     "when it comes back it is walked from its beginning");
	teardown(c);
}

static void test_revoked(void)
{
	struct mqbus_consumer *c = setup();
	const struct mqbus_range *ranges;
	unsigned int n;

	append(0, 5);
	append(1, 5);
	append(2, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 15, 0);
	append(2, 1);
	slots[0].revoked = 1;
	mqbus_consumer_fetch(c, 0, 0);
	ranges = mqbus_consumer_ranges(c, &n);
	TEST(n == 2 && ranges[0].flags == MQBUS_RANGE_F_REVOKED && !ranges[0].partition,
	     "a revoked range is shown");
	TEST(walk(c, 100, 2) == 1 && !mqbus_consumer_next(c, NULL), "and not walked");
	TEST(!mqbus_consumer_release(c) && kernel.flags == MQBUS_COMMIT_F_RELEASE &&
	     all_committed(5, 5, 6) && !slots[0].generation,
	     "what came before it is committed, and the partition let go of");
	teardown(c);

	c = setup();
	append(0, 1);
	slots[1].revoked = 1;
	mqbus_consumer_fetch(c, 0, 0);
	TEST(walk(c, 100, 0) == 1 && !mqbus_consumer_next(c, NULL),
	     "one that was never mapped is not looked at");
	teardown(c);

	c = setup();
	append(0, 5);
	append(1, 5);
	append(2, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 2, 0);
	slots[0].revoked = 1;
	slots[1].revoked = 1;
	TEST(!mqbus_consumer_release(c) && all_committed(2, 0, 0),
	     "in the middle: what was walked");
	TEST(!walk(c, 3, 0) && walk(c, 100, 2) == 2 && !mqbus_consumer_next(c, NULL),
	     "what was let go of is not walked, told or not; the rest is");
	TEST(!mqbus_consumer_commit(c) && all_committed(2, 0, 5), "and committed");
	TEST(!mqbus_consumer_release(c) && kernel.flags == MQBUS_COMMIT_F_RELEASE &&
	     !kernel.nr_entries, "with nothing to commit it still lets go");
	teardown(c);

	c = setup();
	append(0, 5);
	append(1, 5);
	append(2, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 2, 0);
	slots[1].revoked = 1;
	TEST(!mqbus_consumer_release(c) && walk(c, 3, 0) == 3 && walk(c, 100, 2) == 5 &&
	     !mqbus_consumer_commit(c) && all_committed(5, 0, 5),
	     "one that comes later is passed over when the walk gets there");
	teardown(c);

	c = setup();
	append(0, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 2, 0);
	slots[0].generation = 0;
	slots[2].revoked = 1;
	TEST(mqbus_consumer_release(c) == -ESTALE && !slots[2].generation,
	     "also when nothing can be committed");
	teardown(c);
}

/* Another member has it, committed, and the space is used again. */
static void test_overwritten(void)
{
	struct mqbus_consumer *c = setup();

	append(0, 50);
	append(1, 5);
	mqbus_consumer_fetch(c, 0, 0);
	walk(c, 10, 0);
	slots[0].generation = 30;
	append(0, 40);
	memset(slots[0].ring.data + (c->cursor.next - slots[0].ring.data), 0, 8);
	TEST(walk(c, 100, 1) == 5, "records that were overwritten are passed over");
	TEST(mqbus_consumer_commit(c) == -ENOLINK && all_committed(0, 5, 0), "and that is told");
	TEST(!mqbus_consumer_next(c, NULL), "the end stays the end");
	teardown(c);
}

static void test_transaction(void)
{
	struct mqbus_consumer *c = setup();
	const struct mqbus_commit_entry *entries;
	struct mqbus_transact result;
	struct mqbus_act act;
	unsigned int n;

	append(0, 5);
	mqbus_consumer_fetch(c, 0, 0);
	mqbus_consumer_progress(c, &n);
	TEST(!n, "nothing was walked, so there is no progress");
	walk(c, 3, 0);
	entries = mqbus_consumer_progress(c, &n);
	TEST(n == 1 && entries[0].offset == 3 && entries[0].generation == 10 && !entries[0].error,
	     "what was walked is");
	act = mqbus_act_commit(c, entries, n);
	TEST(act.fd == mqbus_consumer_fd(c) && act.kind == MQBUS_ACT_COMMIT && act.count == 1 &&
	     act.size == sizeof(*entries) && act.elements == (uintptr_t)entries &&
	     !act.flags && !act.places && !act.place_size, "as an act");
	TEST(mqbus_transact(&act, 1, -1, &result) == -ETIMEDOUT && result.failed_act == 1,
	     "a transaction that fails says where");
	TEST(kernel.transact.count == 1 && kernel.transact.act_size == sizeof(act) &&
	     kernel.transact.timeout == MQBUS_WAIT_FOREVER && !kernel.transact.flags, "its call");
	TEST(mqbus_transact(&act, 0, -1, NULL) == -ERANGE, "nothing is no transaction");
	mqbus_consumer_progress(c, &n);
	TEST(n == 1, "that failed, so the progress is still there");
	walk(c, 1, 0);
	mqbus_consumer_committed(c);
	TEST(!mqbus_consumer_commit(c) && kernel.entries[0].offset == 4,
	     "what was walked after that is committed later");
	teardown(c);
}

static void test_producer(void)
{
	struct mqbus_msg msgs[4] = { 0 };
	struct mqbus_producer *p;
	uint32_t duplicates = 0;
	int error = 1;

	TEST(!mqbus_producer_open_named(&p, "t", "loader") &&
	     !strcmp(kernel.produce.name, "loader"), "a named producer");
	TEST(mqbus_producer_last_seq(p) == 41 && mqbus_producer_epoch(p) == 2, "where it goes on");
	TEST(mqbus_producer_publish_seq(p, msgs, 4, 40, NULL, 0, &duplicates, &error) == 3 &&
	     kernel.publish.seq == 40 && duplicates == 2 && !error, "numbers and duplicates");
	TEST(mqbus_producer_publish(p, msgs, 4, NULL, 0, NULL) == 3 && !kernel.publish.seq,
	     "without a number it is the next one");
	mqbus_producer_close(p);
	mqbus_producer_open(&p, "t");
	TEST(!*kernel.produce.name, "a producer without name");
	mqbus_producer_close(p);
}

static int child(struct mqbus_consumer *c, struct mqbus_producer *p)
{
	struct mqbus_msg msg = { 0 };
	int calls = kernel.calls, error = 0;

	if (mqbus_consumer_fetch(c, MQBUS_CONSUMER_COMMIT, 0) != -ECHILD)
		return 1;
	if (mqbus_consumer_commit(c) != -ECHILD || mqbus_consumer_release(c) != -ECHILD ||
	    mqbus_consumer_commit_to(c, 0, 0) != -ECHILD)
		return 2;
	if (mqbus_producer_publish(p, &msg, 1, NULL, 0, &error) != -ECHILD || error != -ECHILD)
		return 3;
	mqbus_consumer_close(c);
	mqbus_producer_close(p);
	return kernel.calls == calls ? 0 : 4;
}

static void test_fork(void)
{
	struct mqbus_consumer *c = NULL;
	struct mqbus_producer *p = NULL;
	int status = -1;
	pid_t pid;

	if (mqbus_consumer_open(&c, "t", "g") || mqbus_producer_open(&p, "t"))
		abort();
	pid = fork();
	if (!pid)
		_exit(child(c, p));
	waitpid(pid, &status, 0);
	TEST(!status, "a child cannot use its parent's consumer and producer (%#x)", status);
	TEST(mqbus_consumer_fetch(c, 0, 0) != -ECHILD && !mqbus_consumer_commit(c) &&
	     mqbus_producer_publish(p, NULL, 0, NULL, 0, NULL) == 3, "its parent still can");
	mqbus_consumer_close(c);
	mqbus_producer_close(p);
}

int main(void)
{
	struct mqbus_consumer *c;

	test_begin();
	TEST(mqbus_consumer_open_as(&c, "t", "g", "taken") == -EACCES, "a failed join is told");
	test_generations();
	test_gone();
	test_revoked();
	test_overwritten();
	test_transaction();
	test_producer();
	test_fork();
	return test_end();
}
