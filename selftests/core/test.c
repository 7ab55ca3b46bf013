// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "test.h"

#ifdef SHIM_HOOK
void (*shim_hook)(enum shim_op op, const volatile void *at);
#endif

u64 test_seed;
static const char *test_name;
static u64 test_started;
static int test_number;

void test_init(u64 seed)
{
	const char *env = getenv("SEED");

	test_seed = env && *env ? strtoull(env, NULL, 0) : seed;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n# SEED=%llu\n", (unsigned long long)test_seed);
}

void test_begin(const char *name)
{
	test_name = name;
	test_number++;
	test_started = now_ns();
}

void test_end(void)
{
	printf("ok %d - %s # %llu ms\n", test_number, test_name,
	       (unsigned long long)(now_ns() - test_started) / 1000000);
}

void test_skip(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++test_number, name, why);
}

int test_done(void)
{
	printf("1..%d\n", test_number);
	return 0;
}

void test_fail(const char *file, int line, const char *what)
{
	static int failed;

	/* Of several threads that fail at once, one prints */
	if (__atomic_exchange_n(&failed, 1, __ATOMIC_RELAXED))
		for (;;)
			pause();
	printf("# %s:%d: %s\nnot ok %d - %s\n1..%d\n", file, line, what,
	       test_number, test_name ?: "a run", test_number);
	fflush(stdout);
#ifdef FUZZER
	abort();	/* so that the input is kept */
#endif
	_exit(1);
}

void test_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void rng_init(struct rng *rng, u64 stream)
{
	rng->state = (test_seed + 1) * 0x9e3779b97f4a7c15ULL ^ stream << 32;
	rng->state += !rng->state;
	rng_next(rng);
	rng_next(rng);
}

#ifdef FUZZER
static const u8 *bytes;
static size_t bytes_left;

void rng_bytes(const u8 *data, size_t size)
{
	bytes = data;
	bytes_left = size;
}

bool rng_dry(void)
{
	return bytes_left < 2;
}
#endif

u64 rng_next(struct rng *rng)
{
#ifdef FUZZER
	/* Two bytes choose among few values, as most uses do */
	if (!rng_dry()) {
		u64 value = bytes[0] | bytes[1] << 8;

		bytes += 2;
		bytes_left -= 2;
		return value | value * 0x9e3779b97f4a7c15ULL << 16;
	}
#endif
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1dULL;
}

u64 rng_below(struct rng *rng, u64 n)
{
	return rng_next(rng) % n;
}

bool rng_once(struct rng *rng, u64 n)
{
	return !rng_below(rng, n);
}

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void ring_mem_alloc(struct ring_mem *mem, u64 size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int rw = PROT_READ | PROT_WRITE, fd = memfd_create("ring", MFD_CLOEXEC);
	char *base;

	/* hole, page, hole, data, data again, hole */
	mem->len = 4 * page + 2 * size;
	base = mmap(NULL, mem->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(fd >= 0 && base != MAP_FAILED && !ftruncate(fd, page + size));
	mem->base = base;
	mem->size = size;
	mem->page = (void *)(base + page);
	mem->data = base + 3 * page;
	CHECK(mmap(mem->page, page, rw, MAP_SHARED | MAP_FIXED, fd, 0) == mem->page);
	CHECK(mmap(mem->data, size, rw, MAP_SHARED | MAP_FIXED, fd, page) == mem->data);
	CHECK(mmap(mem->data + size, size, rw, MAP_SHARED | MAP_FIXED, fd, page) ==
	      mem->data + size);
	close(fd);
}

void ring_mem_free(struct ring_mem *mem)
{
	munmap(mem->base, mem->len);
}

void ring_make(struct ring_mem *mem, struct mqbus_ring *ring, u64 size, bool evict)
{
	ring_mem_alloc(mem, size);
	mqbus_ring_init(ring, mem->page, mem->data, size, 7, evict);
	CHECK(mem->page->size == size && mem->page->partition == 7);
}

static u64 rec_word(u64 offset, u64 i)
{
	return (offset + 1) * 0x9e3779b97f4a7c15ULL + i * 0xd1b54a32d192ed03ULL;
}

static u32 rec_words(u32 size)
{
	return (size - sizeof(struct mqbus_record)) / 8;
}

void rec_body(struct mqbus_record *rec, u32 size, u64 offset, u32 from, u32 to)
{
	u64 *words = (u64 *)(rec + 1);
	u32 i;

	for (i = from; i < to && i < rec_words(size); i++)
		words[i] = rec_word(offset, i);
}

void rec_fill(struct mqbus_record *rec, u32 size, u64 offset, u64 time)
{
	*rec = (struct mqbus_record) {
		.size = size,
		.offset = offset,
		.time = time,
		.producer = ~offset,
		.seq = offset + 1,
		.value_len = size - sizeof(*rec),
	};
	rec_body(rec, size, offset, 0, rec_words(size));
}

bool rec_whole(const struct mqbus_record *rec, u64 offset)
{
	const u64 *words = (const u64 *)(rec + 1);
	u64 bad = 0;
	u32 i;

	if (rec->offset != offset || rec->producer != ~offset || rec->seq != offset + 1 ||
	    rec->flags || rec->size % 8 || rec->size < sizeof(*rec) ||
	    rec->value_len != rec->size - sizeof(*rec))
		return false;
	for (i = 0; i < rec_words(rec->size); i++)
		bad |= words[i] ^ rec_word(offset, i);
	return !bad;
}

u32 rec_size(struct rng *rng, u64 ring_size, u32 most)
{
	u64 largest = ring_size / 2 - sizeof(struct mqbus_record);
	u64 parts;

	if (largest > MQBUS_RECORD_MAX)
		largest = MQBUS_RECORD_MAX;
	if (rng_once(rng, 64))
		parts = largest;
	else if (rng_once(rng, 16))
		parts = rng_below(rng, largest + 1);
	else
		parts = rng_below(rng, most + 1);
	return mqbus_record_bytes(parts);
}
