/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of core: TAP, random numbers, a ring's memory, records whose content
 * follows from their offset.
 */
#ifndef SELFTESTS_CORE_TEST_H
#define SELFTESTS_CORE_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "ring.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Prints the version line and the seed; SEED= in the environment overrides it */
void test_init(u64 seed);
/* All checks from here to test_end() are one test */
void test_begin(const char *name);
void test_end(void);
void test_skip(const char *name, const char *why);
int test_done(void);
/* A failed test is the last one: its state is of no use to others */
_Noreturn void test_fail(const char *file, int line, const char *what);
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(cond) do {					\
	if (__builtin_expect(!(cond), 0))			\
		test_fail(__FILE__, __LINE__, #cond);		\
} while (0)

/* xorshift64*; each thread has its own */
struct rng {
	u64 state;
};

extern u64 test_seed;

void rng_init(struct rng *rng, u64 stream);
u64 rng_next(struct rng *rng);
/* Return: a number below @n */
u64 rng_below(struct rng *rng, u64 n);
/* Return: true once in @n times */
bool rng_once(struct rng *rng, u64 n);

#ifdef FUZZER
/*
 * With libFuzzer random numbers are made from its bytes, so that it steers a model, and an
 * input can be repeated. The run ends when they are used up.
 */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
void rng_bytes(const u8 *data, size_t size);
bool rng_dry(void);
#else
static inline bool rng_dry(void)
{
	return false;
}
#endif

u64 now_ns(void);

/* The page and the data of a ring, between inaccessible pages */
struct ring_mem {
	struct mqbus_ring_page *page;
	void *data;
	u64 size;
	void *base;
	size_t len;
};

void ring_mem_alloc(struct ring_mem *mem, u64 size);
void ring_mem_free(struct ring_mem *mem);
void ring_make(struct ring_mem *mem, struct mqbus_ring *ring, u64 size, bool evict);

/* Write a record of @size bytes; rec_body() only the words [@from, @to) of its parts */
void rec_fill(struct mqbus_record *rec, u32 size, u64 offset, u64 time);
void rec_body(struct mqbus_record *rec, u32 size, u64 offset, u32 from, u32 to);
/* Return: whether these are the bytes of that record */
bool rec_whole(const struct mqbus_record *rec, u64 offset);
/* A size for a record, mostly small, at times the largest of a ring */
u32 rec_size(struct rng *rng, u64 ring_size, u32 most);

#endif
