// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of a flow, and its end. Calls that must be refused are tried on the way.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "oracle.h"

int flow_endpoint(void)
{
	int fd = open("/dev/mqbus", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int flow_member(struct flow *f, const char *topic, const char *group)
{
	struct mqbus_join j = { 0 };
	int fd = flow_endpoint();

	strcpy(j.topic, topic);
	strcpy(j.group, group);
	CHECK(!call(f, fd, MQBUS_IOC_JOIN, &j));
	return fd;
}

void flow_map(struct flow *f)
{
	struct mqbus_geometry g = { 0 };
	__u32 i;

	for (i = 0; i < f->parts; i++) {
		g = (struct mqbus_geometry) { .partition = i };
		CHECK(!call(f, f->stream, MQBUS_IOC_GEOMETRY, &g));
		f->map[i] = mmap(NULL, g.map_len, PROT_READ, MAP_SHARED, f->stream, g.map_offset);
		CHECK(f->map[i] != MAP_FAILED);
	}
	f->map_len = g.map_len;
	f->data = g.data_offset;
	f->ring = g.size;
}

void flow_unmap(struct flow *f)
{
	__u32 i;

	for (i = 0; i < f->parts; i++)
		munmap(f->map[i], f->map_len);
}

/* A topic that stays full: it has no reader */
static void make_stopped(struct flow *f)
{
	struct mqbus_topic_create t = {
		.mode = 0600, .uid = MQBUS_ANY, .gid = MQBUS_ANY, .partitions = 1, .size = 4096,
		.full = MQBUS_FULL_REJECT, .name = "t2",
	};
	struct mqbus_produce p = { .topic = "t2" };
	static char value[900];
	struct mqbus_msg msg = { .value = (uintptr_t)value, .value_len = sizeof(value),
				 .partition = MQBUS_ANY };
	struct mqbus_publish publish = { .msgs = (uintptr_t)&msg, .msg_size = sizeof(msg),
					 .count = 1 };
	int err;

	f->stopped = flow_endpoint();
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	CHECK(!call(f, f->stopped, MQBUS_IOC_PRODUCE, &p));
	for (; ; msg.value_len = 0) {
		do {
			err = call(f, f->stopped, MQBUS_IOC_PUBLISH, &publish);
		} while (!err);
		CHECK(err == -ENOBUFS);
		if (!msg.value_len)
			break;
	}
}

static int chain_link(struct flow *f, unsigned int from)
{
	struct mqbus_group_create g = {
		.type = MQBUS_GROUP_QUEUE, .mode = 0600, .group = "g",
		.queue = { .max_inflight = 1, .max_attempts = 1, .retry_size = 65536,
			   .backoff_min = MQBUS_BACKOFF_NONE },
	};

	snprintf(g.topic, sizeof(g.topic), "t%u", from);
	snprintf(g.queue.dlq, sizeof(g.queue.dlq), "t%u", from + 1);
	return call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g);
}

/*
 * Dead letters go from t0 to t1 to t2, linked in either order: the record of one topic has to
 * fit into the next.
 */
static void try_chain(struct flow *f)
{
	static const __u64 rings[] = { 4096, 16384 };
	static const __u32 records[] = { 100, 300, 1900 };
	struct mqbus_topic_create t = { .mode = 0600, .uid = MQBUS_ANY, .gid = MQBUS_ANY,
					.partitions = 1 };
	struct mqbus_topic_delete d = { 0 };
	bool first = rng_once(&f->rng, 2);
	int fits[2] = { 0 };
	__u32 most = 0;
	unsigned int i;

	if (!rng_once(&f->rng, 4))
		return;
	for (i = 0; i < 3; i++) {
		t.size = rings[rng_below(&f->rng, 2)];
		t.max_record = records[rng_below(&f->rng, 3)];
		/* 1,900 bytes and their headers are more than half of 4 KiB */
		if (i && (most > t.max_record || (most == 1900 && t.size == 4096)))
			fits[i - 1] = -EMSGSIZE;
		most = t.max_record;
		snprintf(t.name, sizeof(t.name), "t%u", i);
		CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	}
	CHECK(chain_link(f, !first) == fits[!first]);
	CHECK(chain_link(f, first) == fits[first]);
	for (i = 0; i < 3; i++) {
		snprintf(d.name, sizeof(d.name), "t%u", i);
		CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	}
}

void flow_make(struct flow *f)
{
	static const __u32 sizes[] = { 4096, 8192 };
	struct mqbus_topic_create t = { .mode = 0600, .uid = MQBUS_ANY, .gid = MQBUS_ANY };
	struct mqbus_group_create g = { .mode = 0600, .topic = "t0", .group = "g0" };
	struct mqbus_produce p = { .topic = "t0" };
	struct rng *rng = &f->rng;

	f->ctl = flow_endpoint();
	try_chain(f);
	f->parts = 1 + rng_below(rng, PARTS);
	f->full = rng_below(rng, 3);
	t.partitions = f->parts;
	t.full = f->full;
	t.size = sizes[rng_below(rng, 2)];
	t.max_record = 512;
	f->rated = rng_once(rng, 3);
	if (f->rated) {
		t.rate_bytes = 200000;
		t.burst = 5000000;
		t.over = MQBUS_OVER_REJECT;
	}
	strcpy(t.name, "t0");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	t.rate_bytes = 0;
	t.burst = 0;
	t.over = 0;
	t.partitions = 1;
	t.full = MQBUS_FULL_BLOCK;
	t.max_record = 0;
	strcpy(t.name, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_CREATE, &t));
	CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
	strcpy(g.topic, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
	f->has_queue = f->full != MQBUS_FULL_EVICT;
	if (f->has_queue) {
		strcpy(g.topic, "t0");
		strcpy(g.group, "g1");
		g.type = MQBUS_GROUP_QUEUE;
		f->once = rng_once(rng, 4);
		f->in_turn = rng_once(rng, 3);
		g.queue.flags = (f->once ? MQBUS_QUEUE_F_AT_MOST_ONCE : 0) |
				(f->in_turn ? MQBUS_QUEUE_F_KEY_EXCLUSIVE : 0);
		g.queue.backoff_min = MQBUS_BACKOFF_NONE;
		g.queue.max_inflight = 1 + rng_below(rng, HOLD);
		g.queue.retry_size = sizes[rng_below(rng, 2)];
		f->dlq = !rng_once(rng, 3);
		if (f->dlq)
			strcpy(g.queue.dlq, "t1");
		f->limit = f->dlq ? 1 + rng_below(rng, 3) : 0;
		g.queue.max_attempts = f->dlq ? f->limit : MQBUS_ANY;
		CHECK(!call(f, f->ctl, MQBUS_IOC_GROUP_CREATE, &g));
		f->queue = flow_member(f, "t0", "g1");
	}
	f->producer = flow_endpoint();
	CHECK(!call(f, f->producer, MQBUS_IOC_PRODUCE, &p));
	make_stopped(f);
	f->stream = flow_member(f, "t0", "g0");
	f->letters = flow_member(f, "t1", "g0");
	flow_map(f);
}

void flow_unmake(struct flow *f)
{
	struct mqbus_topic_delete d = { .name = "t0" };

	flow_unmap(f);
	close(f->stream);
	close(f->letters);
	close(f->producer);
	if (f->has_queue)
		close(f->queue);
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	strcpy(d.name, "t1");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	strcpy(d.name, "t2");
	CHECK(!call(f, f->ctl, MQBUS_IOC_TOPIC_DELETE, &d));
	close(f->stopped);
	close(f->ctl);
	clean_check();
}

