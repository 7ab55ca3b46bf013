/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One producer, some consumers, and a carrier of messages between them.
 */
#ifndef MQBUS_BENCH_H
#define MQBUS_BENCH_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/cmd.h"
#include "common/error.h"

#define BENCH_CONSUMERS_MAX 64

struct bench;

/**
 * struct bench_carrier - a way to carry messages
 * @name: as --against takes it
 * @setup: create it, before the processes start; 0 or an exit status
 * @produce: the producer's process; calls bench_ready() once it is open
 * @consume: the process of consumer @index, likewise; calls bench_finished()
 *	when it has all messages
 * @verify: check the result, or NULL; 0 or an exit status
 * @teardown: undo @setup
 */
struct bench_carrier {
	const char *name;
	int (*setup)(struct bench *b);
	int (*produce)(struct bench *b);
	int (*consume)(struct bench *b, __u32 index);
	int (*verify)(struct bench *b);
	void (*teardown)(struct bench *b);
};

extern const struct bench_carrier bench_bus;
/* A queue group, whose consumers share the messages and settle each */
extern const struct bench_carrier bench_queue;
extern const struct bench_carrier bench_pipe;
extern const struct bench_carrier bench_mq;

/**
 * enum bench_ack - how messages of a queue are acked
 * @BENCH_ACK_ALL: all leases at once
 * @BENCH_ACK_EACH: a settlement for each
 * @BENCH_ACK_TRANSACT: likewise, in a transaction that publishes each to another topic
 */
enum bench_ack {
	BENCH_ACK_ALL,
	BENCH_ACK_EACH,
	BENCH_ACK_TRANSACT,
};

/**
 * struct bench - a run
 * @carrier: the carrier of messages
 * @mode: "pair", "fanout" or "queue"
 * @size: bytes of a message
 * @msgs: number of messages
 * @batch: published in a call
 * @consumers: each gets all messages, or in "queue" a share
 * @workers: of "queue", as given; they are the @consumers then
 * @ack: of "queue": an &enum bench_ack
 * @inflight: of "queue": messages that one worker holds all the time, or 0
 * @ring: bytes of room for messages
 * @json: print JSON
 * @topic: name of the topic, or of the queues
 * @fds: ends of the pipes: [consumer][0] is read
 * @ready_fds: each process writes a byte when it is ready
 * @go_fds: nothing is written; its end starts all processes
 * @shared: results of the processes for the parent
 */
struct bench {
	const struct bench_carrier *carrier;
	const char *mode;
	__u32 size;
	__u64 msgs;
	__u32 batch;
	__u32 consumers;
	__u32 workers;
	__u32 ack;
	__u32 inflight;
	__u64 ring;
	bool json;
	char topic[64];
	int fds[BENCH_CONSUMERS_MAX][2];
	int ready_fds[2];
	int go_fds[2];
	struct bench_shared *shared;
};

/* Publish all messages; called when everything else is set up. */
int bench_bus_produce(struct bench *b);
int bench_bus_error(const struct bench *b, enum error_action action, int err);
/* Create the topic; the name is cleared on failure, since the topic is not ours then. */
int bench_bus_topic(struct bench *b);
void bench_bus_teardown(struct bench *b);

/* Run each part in its own process; *@seconds from the start to the last message. */
int bench_run(struct bench *b, double *seconds);

/**
 * struct bench_settle - the cost of settling out of order
 * @settle: ns for each message
 * @lease: ns for each message to lease it
 */
struct bench_settle {
	double settle;
	double lease;
};

/* Hold @inflight messages, settle them in random order, a batch at a time. */
int bench_settle(struct bench *b, struct bench_settle *result);

/* Called by the processes: wait for the others; note the time; complain. */
void bench_ready(struct bench *b);
void bench_finished(struct bench *b, __u32 index);
__printf(1, 2) int bench_fail(const char *fmt, ...);

/*
 * The content of message number n is words that count up from n * BENCH_PRIME,
 * so that any byte of any other message, or at another place, is seen.
 */
#define BENCH_PRIME 0x9e3779b97f4a7c15ULL
#define BENCH_STEP 0xbf58476d1ce4e5b9ULL

#define __aligned(n) __attribute__((	\
	aligned(n)))

/* Two words; messages begin at multiples of 8 only */
typedef __u64 bench_vec __attribute__((vector_size(16), may_alias)) __aligned(8);

/**
 * struct bench_pattern - the content of the next message
 * @first: its first two words
 * @diff: bits in which a message differed so far
 */
struct bench_pattern {
	bench_vec first;
	bench_vec diff;
};

#define BENCH_PATTERN_INIT { .first = { 0, BENCH_STEP } }

/* The content of message @n, for consumers that do not get all of them. */
static inline struct bench_pattern bench_pattern_at(__u64 n)
{
	return (struct bench_pattern){
		.first = { n * BENCH_PRIME, n * BENCH_PRIME + BENCH_STEP },
	};
}

/* The increase of words @n times two further on; a constant if @n is. */
static inline bench_vec bench_ahead(__u64 n)
{
	return (bench_vec){ 2 * n * BENCH_STEP, 2 * n * BENCH_STEP };
}

static inline void bench_fill_vecs(bench_vec *p, bench_vec *v)
{
	p[0] = *v;
	p[1] = *v + bench_ahead(1);
	p[2] = *v + bench_ahead(2);
	p[3] = *v + bench_ahead(3);
	*v += bench_ahead(4);
}

static inline bench_vec bench_check_vecs(const bench_vec *p, bench_vec *v)
{
	bench_vec diff;

	diff = p[0] ^ *v;
	diff |= p[1] ^ (*v + bench_ahead(1));
	diff |= p[2] ^ (*v + bench_ahead(2));
	diff |= p[3] ^ (*v + bench_ahead(3));
	*v += bench_ahead(4);
	return diff;
}

/* Write the next message. */
static inline void bench_fill(struct bench_pattern *s, void *data, size_t size)
{
	bench_vec v = s->first;
	char *p = data;

	for (; size >= 64; size -= 64, p += 64)
		bench_fill_vecs((bench_vec *)p, &v);
	for (; size >= 16; size -= 16, p += 16, v += bench_ahead(1))
		*(bench_vec *)p = v;
	if (size)
		__builtin_memcpy(p, &v, size);
	s->first += (bench_vec){ BENCH_PRIME, BENCH_PRIME };
}

/* Compare the next message; bench_pattern_failed() returns the result for all so far. */
static inline void bench_check(struct bench_pattern *s, const void *data, size_t size)
{
	bench_vec v = s->first;
	const char *p = data;
	bench_vec rest;

	for (; size >= 64; size -= 64, p += 64)
		s->diff |= bench_check_vecs((const bench_vec *)p, &v);
	for (; size >= 16; size -= 16, p += 16, v += bench_ahead(1))
		s->diff |= *(const bench_vec *)p ^ v;
	if (size) {
		rest = v;
		__builtin_memcpy(&rest, p, size);
		s->diff |= rest ^ v;
	}
	s->first += (bench_vec){ BENCH_PRIME, BENCH_PRIME };
}

static inline bool bench_pattern_failed(const struct bench_pattern *s)
{
	return s->diff[0] | s->diff[1];
}

#endif /* MQBUS_BENCH_H */
