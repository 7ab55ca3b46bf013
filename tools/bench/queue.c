// SPDX-License-Identifier: GPL-2.0
/*
 * Workers share the messages of one queue group: each leases a batch, checks every
 * byte, and acks it in the call that leases the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "mqbus.h"
#include "mqbus_admin.h"

#define GROUP "workers"

/**
 * struct queue_shared - totals of all workers
 * @leased: messages handed out
 * @sum: over all messages that were settled, see message_sum()
 */
static struct queue_shared {
	__u64 leased;
	__u64 sum;
} *shared;

/* The sum, in any order, shows which messages were seen, and how often. */
static __u64 message_sum(__u64 n)
{
	n = (n + 1) * BENCH_PRIME;
	return n ^ n >> 32;
}

/* The topic for --ack transact; it evicts, since it has no readers. */
static const char *results_topic(char name[MQBUS_NAME_SIZE], const struct bench *b)
{
	snprintf(name, MQBUS_NAME_SIZE, "%s.results", b->topic);
	return name;
}

static int results_setup(const struct bench *b)
{
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	char name[MQBUS_NAME_SIZE];
	int ret;

	config.size = b->ring;
	config.max_record = b->size;
	config.full = MQBUS_FULL_EVICT;
	ret = mqbus_topic_create(results_topic(name, b), &config);
	return ret ? bench_bus_error(b, DO_TOPIC_CREATE, ret) : STATUS_OK;
}

static int queue_setup(struct bench *b)
{
	struct mqbus_queue_options queue = { .max_inflight = 2 * b->consumers * b->batch };
	int ret;

	if (queue.max_inflight < MQBUS_INFLIGHT_DEFAULT)
		queue.max_inflight = MQBUS_INFLIGHT_DEFAULT;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return bench_fail("%s", strerror(errno));
	ret = bench_bus_topic(b);
	if (ret)
		return ret;
	ret = b->ack == BENCH_ACK_TRANSACT ? results_setup(b) : STATUS_OK;
	if (ret)
		return ret;
	ret = mqbus_queue_create(b->topic, GROUP, MQBUS_WHENCE_EARLIEST, 0, 0600, &queue);
	return ret ? bench_bus_error(b, DO_QUEUE_CREATE, ret) : STATUS_OK;
}

/**
 * struct turn - a worker's leases
 * @leases: the leases
 * @n: number of @leases
 * @settles: room to settle them
 * @sum: over them
 * @results: where to publish them, or NULL
 * @msgs: room to publish them
 */
struct turn {
	struct mqbus_leased leases[MQBUS_BATCH_MAX];
	struct mqbus_settle settles[MQBUS_BATCH_MAX];
	__u32 n;
	__u64 sum;
	struct mqbus_producer *results;
	struct mqbus_msg msgs[MQBUS_BATCH_MAX];
};

/* A topic of one partition numbers the messages as the producer does. */
static bool turn_check(const struct bench *b, struct mqbus_worker *w, struct turn *t)
{
	const struct mqbus_record *r;
	struct bench_pattern pattern;
	__u32 i;

	t->sum = 0;
	for (i = 0; i < t->n; i++) {
		r = mqbus_worker_record(w, &t->leases[i]);
		if (!r || r->value_len != b->size || r->offset != t->leases[i].offset)
			return false;
		pattern = bench_pattern_at(r->offset);
		bench_check(&pattern, r + 1, b->size);
		if (bench_pattern_failed(&pattern))
			return false;
		t->sum += message_sum(r->offset);
	}
	return true;
}

/* Publish the held messages and ack them, in one step. */
static int turn_transact(struct mqbus_worker *w, struct turn *t)
{
	const struct mqbus_record *r;
	struct mqbus_act acts[2];
	__u32 i;

	for (i = 0; i < t->n; i++) {
		r = mqbus_worker_record(w, &t->leases[i]);
		t->msgs[i] = mqbus_msg_make(NULL, 0, r + 1, r->value_len);
	}
	acts[0] = mqbus_act_publish(t->results, t->msgs, t->n);
	acts[1] = mqbus_act_settle(w, t->settles, t->n);
	return mqbus_transact(acts, 2, -1, NULL);
}

/* Ack the held messages and lease up to @n; 0 or a negative errno. */
static int turn_call(const struct bench *b, struct mqbus_worker *w, struct turn *t, __u32 n)
{
	__u32 i, each = b->ack == BENCH_ACK_ALL ? 0 : t->n;
	int ret, error = 0;

	for (i = 0; i < each; i++)
		t->settles[i] = (struct mqbus_settle){
			.lease = t->leases[i].lease,
			.what = MQBUS_ACK,
		};
	if (t->results && each) {
		ret = turn_transact(w, t);
		if (ret)
			return ret;
		each = 0;
	}
	ret = 0;
	if (n || !t->results)
		ret = mqbus_worker_turn(w, b->ack == BENCH_ACK_ALL ? MQBUS_WORKER_ACK : 0,
					t->settles, each, t->leases, n, 0, -1, &error);
	if (ret < 0)
		return ret;
	if (error)
		return error;
	for (i = 0; i < each; i++) {
		if (t->settles[i].error)
			return -(int)t->settles[i].error;
	}
	__atomic_fetch_add(&shared->sum, t->sum, __ATOMIC_RELAXED);
	t->sum = 0;
	t->n = ret;
	return 0;
}

/*
 * One more message tells waiting workers that there are no more: each that gets it
 * releases it and ends, so the next one gets it.
 */
static int publish_end(struct bench *b)
{
	struct mqbus_msg end = mqbus_msg_make(NULL, 0, NULL, 0);
	struct mqbus_producer *p;
	int ret;

	ret = mqbus_producer_open(&p, b->topic);
	if (ret)
		return bench_bus_error(b, DO_PRODUCE, ret);
	ret = mqbus_producer_publish(p, &end, 1, NULL, -1, NULL);
	mqbus_producer_close(p);
	return ret < 0 ? bench_bus_error(b, DO_PUBLISH, ret) : STATUS_OK;
}

static int worker_run(struct bench *b, __u32 index, struct mqbus_worker *w, struct turn *t)
{
	__u64 leased = 0;
	bool last;
	int ret;

	while (__atomic_load_n(&shared->leased, __ATOMIC_RELAXED) < b->msgs) {
		ret = turn_call(b, w, t, b->batch);
		if (ret)
			return bench_bus_error(b, DO_LEASE, ret);
		if (t->leases[0].offset == b->msgs)
			return STATUS_OK;
		leased = __atomic_add_fetch(&shared->leased, t->n, __ATOMIC_RELAXED);
		if (!turn_check(b, w, t))
			return bench_fail("wrong content in %u messages from number %llu on",
					  t->n, t->leases[0].offset);
	}
	if (!t->n)
		return STATUS_OK;
	last = leased == b->msgs;
	ret = turn_call(b, w, t, 0);
	if (ret)
		return bench_bus_error(b, DO_SETTLE, ret);
	bench_finished(b, index);
	return last ? publish_end(b) : STATUS_OK;
}

static int queue_consume(struct bench *b, __u32 index)
{
	struct turn *t = calloc(1, sizeof(*t));
	char name[MQBUS_NAME_SIZE];
	struct mqbus_worker *w;
	int ret;

	if (!t)
		return bench_fail("%s", strerror(ENOMEM));
	ret = mqbus_worker_open(&w, b->topic, GROUP);
	if (ret)
		return bench_bus_error(b, DO_WORK, ret);
	if (b->ack == BENCH_ACK_TRANSACT)
		ret = mqbus_producer_open(&t->results, results_topic(name, b));
	if (ret)
		return bench_bus_error(b, DO_PRODUCE, ret);
	bench_ready(b);
	ret = worker_run(b, index, w, t);
	if (ret)
		return ret;
	mqbus_worker_close(w);
	if (t->results)
		mqbus_producer_close(t->results);
	free(t);
	return STATUS_OK;
}

static void queue_teardown(struct bench *b)
{
	char name[MQBUS_NAME_SIZE];

	if (b->ack == BENCH_ACK_TRANSACT && *b->topic)
		mqbus_topic_delete(results_topic(name, b));
	bench_bus_teardown(b);
	munmap(shared, sizeof(*shared));
}

/* Check that each result was published once. */
static int results_verify(const struct bench *b)
{
	char name[MQBUS_NAME_SIZE];
	struct mqbus_admin_topic topic;
	int ret;

	ret = mqbus_admin_topic_get(results_topic(name, b), &topic);
	if (ret)
		return bench_bus_error(b, DO_LIST, ret);
	if (topic.published != b->msgs)
		return bench_fail("%llu results were published of %llu messages",
				  topic.published, b->msgs);
	return STATUS_OK;
}

/* Check that each message was settled once, and that the group has no more. */
static int queue_verify(struct bench *b)
{
	struct mqbus_admin_group *groups;
	__u64 i, sum = 0, lag = 0;
	size_t n;
	int ret;

	for (i = 0; i < b->msgs; i++)
		sum += message_sum(i);
	if (shared->leased != b->msgs || shared->sum != sum)
		return bench_fail("%llu messages were handed out and settled, but not each once",
				  shared->leased);
	ret = mqbus_admin_group_list(b->topic, GROUP, &groups, &n);
	if (ret)
		return bench_bus_error(b, DO_LIST, ret);
	for (i = 0; i < n; i++)
		lag += groups[i].lag;
	free(groups);
	/* Except the end message, which every worker releases */
	if (lag != 1)
		return bench_fail("all is settled, but the group is %llu behind", lag - 1);
	return b->ack == BENCH_ACK_TRANSACT ? results_verify(b) : STATUS_OK;
}

const struct bench_carrier bench_queue = {
	.name = "mqbus",
	.setup = queue_setup,
	.produce = bench_bus_produce,
	.consume = queue_consume,
	.verify = queue_verify,
	.teardown = queue_teardown,
};
