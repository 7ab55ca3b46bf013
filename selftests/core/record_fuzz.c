// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that take bytes as users send them: the validation of headers, against a second
 * implementation, and the hash of a key, whole against in pieces. A libFuzzer target; without
 * it main() passes random bytes.
 */
#include "murmur.h"
#include "record.h"
#include "test.h"

/* The form of headers again, recursively */
static bool headers_opinion(const u8 *at, u32 left, u32 may)
{
	u32 name, need;

	if (!left)
		return true;
	if (!may || left < 4)
		return false;
	name = at[0] | at[1] << 8;
	need = 4 + name + (at[2] | at[3] << 8);
	return name && need <= left && headers_opinion(at + need, left - need, may - 1);
}

/* The first bytes choose the pieces, the rest is the key */
static void fuzz_murmur(const u8 *data, u32 len)
{
	struct mqbus_murmur whole, pieces;
	u32 chunk, at, n;

	chunk = len ? (data[0] % 16 + 1) * 4 : 4;
	mqbus_murmur_init(&whole, len);
	mqbus_murmur_update(&whole, data, len);
	mqbus_murmur_init(&pieces, len);
	for (at = 0; at < len; at += n) {
		n = min(chunk, len - at);
		mqbus_murmur_update(&pieces, data + at, n);
	}
	CHECK(whole.hash == pieces.hash);
	CHECK(mqbus_murmur_partition(&whole, len + 1) <= len);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 len = min_t(size_t, size, MQBUS_HEADERS_MAX);

	CHECK(mqbus_headers_valid(data, len) ==
	      headers_opinion(data, len, MQBUS_HEADER_COUNT_MAX));
	fuzz_murmur(data, min_t(u32, len, MQBUS_KEY_MAX));
	return 0;
}

#ifndef FUZZER
#define ROUNDS	300000

int main(void)
{
	u64 valid = 0, i;
	struct rng rng;

	test_init(5);
	test_begin("random bytes, mostly shaped like headers");
	rng_init(&rng, 0);
	for (i = 0; i < ROUNDS; i++) {
		u32 len = rng_below(&rng, 800), at = 0, j;
		u8 *data = malloc(len ?: 1);

		for (j = 0; j < len; j++)
			data[j] = rng_next(&rng);
		/* Small lengths, so that some blocks are valid */
		while (at + 4 <= len && !rng_once(&rng, 100)) {
			data[at] = rng_below(&rng, 4) + !rng_once(&rng, 50);
			data[at + 2] = rng_below(&rng, 4);
			data[at + 1] = 0;
			data[at + 3] = 0;
			at += 4 + data[at] + data[at + 2];
		}
		/* Often end where the last header does */
		if (at < len && rng_once(&rng, 2)) {
			len = at;
			data = realloc(data, len ?: 1);
		}
		valid += mqbus_headers_valid(data, len);
		LLVMFuzzerTestOneInput(data, len);
		free(data);
	}
	test_note("%llu of %u were valid", (unsigned long long)valid, ROUNDS);
	CHECK(valid > ROUNDS / 100 && valid < ROUNDS);
	test_end();
	return test_done();
}
#endif
