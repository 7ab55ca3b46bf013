// SPDX-License-Identifier: GPL-2.0
/*
 * One process that always holds a number of messages: it settles them in random
 * order, a batch at a time, and leases as many more. Publishing in between
 * does not count.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mqbus.h"

#define GROUP "worker"

/**
 * struct window - state of the process
 * @producer: of the topic
 * @worker: of the group
 * @msgs: a batch to be published
 * @held: the leases
 * @next: the leases that replace them
 * @settles: a batch
 * @settle_ns: spent in settling
 * @lease_ns: spent in leasing
 * @random: state of the random numbers, the same in each run
 */
struct window {
	struct mqbus_producer *producer;
	struct mqbus_worker *worker;
	struct mqbus_msg *msgs;
	struct mqbus_leased *held;
	struct mqbus_leased *next;
	struct mqbus_settle *settles;
	__u64 settle_ns;
	__u64 lease_ns;
	__u64 random;
};

/* xorshift64*: below @n */
static __u32 window_random(struct window *w, __u32 n)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return ((w->random * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

static void window_shuffle(struct window *w, __u32 n)
{
	struct mqbus_leased l;
	__u32 i, k;

	for (i = n; i > 1; i--) {
		k = window_random(w, i);
		l = w->held[k];
		w->held[k] = w->held[i - 1];
		w->held[i - 1] = l;
	}
}

static int window_publish(struct bench *b, struct window *w, __u32 n)
{
	__u32 batch;
	int ret;

	while (n) {
		batch = n < b->batch ? n : b->batch;
		ret = mqbus_producer_publish(w->producer, w->msgs, batch, NULL, 0, NULL);
		if (ret < 0)
			return bench_bus_error(b, DO_PUBLISH, ret);
		n -= ret;
	}
	return STATUS_OK;
}

/* Getting fewer is an error, since all were published before. */
static int window_lease(struct bench *b, struct window *w, struct mqbus_leased *to, __u32 n)
{
	__u64 start = cmd_now();
	__u32 got;
	int ret;

	for (got = 0; got < n; got += ret) {
		ret = mqbus_worker_lease(w->worker, to + got, n - got, 0);
		if (ret < 0)
			return bench_bus_error(b, DO_LEASE, ret);
	}
	w->lease_ns += cmd_now() - start;
	return STATUS_OK;
}

static int window_settle(struct bench *b, struct window *w, __u32 from, __u32 n)
{
	__u64 start;
	__u32 i;
	int ret;

	for (i = 0; i < n; i++)
		w->settles[i] = (struct mqbus_settle){
			.lease = w->held[from + i].lease,
			.what = MQBUS_ACK,
		};
	start = cmd_now();
	ret = mqbus_worker_settle(w->worker, w->settles, n);
	w->settle_ns += cmd_now() - start;
	if (ret < 0)
		return bench_bus_error(b, DO_SETTLE, ret);
	if ((__u32)ret != n)
		return bench_fail("only %d of %u were settled", ret, n);
	return STATUS_OK;
}

/* Settle each held message, and lease another one in its place. */
static int window_turn(struct bench *b, struct window *w)
{
	__u32 at, n;
	int ret;

	window_shuffle(w, b->inflight);
	ret = window_publish(b, w, b->inflight);
	for (at = 0; !ret && at < b->inflight; at += n) {
		n = b->inflight - at < b->batch ? b->inflight - at : b->batch;
		ret = window_settle(b, w, at, n);
		if (!ret)
			ret = window_lease(b, w, w->next + at, n);
	}
	memcpy(w->held, w->next, b->inflight * sizeof(*w->held));
	return ret;
}

static int window_run(struct bench *b, struct window *w, struct bench_settle *result)
{
	__u64 done = 0;
	__u32 got, n;
	int ret;

	ret = window_publish(b, w, b->inflight);
	for (got = 0; !ret && got < b->inflight; got += n) {
		n = b->inflight - got < MQBUS_LEASE_MAX ? b->inflight - got : MQBUS_LEASE_MAX;
		ret = window_lease(b, w, w->held + got, n);
	}
	w->lease_ns = 0;
	for (; !ret && done < b->msgs; done += b->inflight)
		ret = window_turn(b, w);
	if (ret)
		return ret;
	b->msgs = done;
	result->settle = (double)w->settle_ns / done;
	result->lease = (double)w->lease_ns / done;
	return STATUS_OK;
}

static int window_open(struct bench *b, struct window *w)
{
	/* The oldest and the newest may be twice as far apart as the number held */
	struct mqbus_queue_options queue = { .max_inflight = 2 * b->inflight };
	char *data = calloc(1, b->size);
	__u32 i;
	int ret;

	if (queue.max_inflight < MQBUS_INFLIGHT_DEFAULT)
		queue.max_inflight = MQBUS_INFLIGHT_DEFAULT;
	w->random = 1;
	w->msgs = calloc(b->batch, sizeof(*w->msgs));
	w->settles = calloc(b->batch, sizeof(*w->settles));
	w->held = calloc(b->inflight, sizeof(*w->held));
	w->next = calloc(b->inflight, sizeof(*w->next));
	if (!data || !w->msgs || !w->settles || !w->held || !w->next)
		return bench_fail("%s", strerror(ENOMEM));
	for (i = 0; i < b->batch; i++)
		w->msgs[i] = mqbus_msg_make(NULL, 0, data, b->size);
	ret = mqbus_queue_create(b->topic, GROUP, MQBUS_WHENCE_EARLIEST, 0, 0600, &queue);
	if (ret)
		return bench_bus_error(b, DO_QUEUE_CREATE, ret);
	ret = mqbus_producer_open(&w->producer, b->topic);
	if (ret)
		return bench_bus_error(b, DO_PRODUCE, ret);
	ret = mqbus_worker_open(&w->worker, b->topic, GROUP);
	return ret ? bench_bus_error(b, DO_WORK, ret) : STATUS_OK;
}

int bench_settle(struct bench *b, struct bench_settle *result)
{
	struct window w = { 0 };
	__u64 room = MQBUS_RING_MIN;
	int ret;

	/* Held messages, their replacements, and settled ones behind a held one */
	while (room < 4ULL * b->inflight * (sizeof(struct mqbus_record) + b->size + 8))
		room <<= 1;
	if (b->ring < room)
		b->ring = room;
	ret = bench_bus_topic(b);
	if (!ret)
		ret = window_open(b, &w);
	if (!ret)
		ret = window_run(b, &w, result);
	/* The end of the process releases its messages */
	bench_bus_teardown(b);
	return ret;
}
