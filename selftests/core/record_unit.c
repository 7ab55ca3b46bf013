// SPDX-License-Identifier: GPL-2.0
/*
 * The partitioner against Kafka's known answers, and the form of a record.
 */
#include "murmur.h"
#include "murmur_known.h"
#include "record.h"
#include "ring.h"
#include "test.h"

/* Take the known 32 bits of a hash to the partition that they lead to */
static u32 partition_of(int hash, u32 partitions)
{
	return ((u32)hash & 0x7fffffff) % partitions;
}

static void test_murmur_known(void)
{
	unsigned int i, n;

	test_begin("murmur2: Kafka's known answers");
	for (i = 0; i < ARRAY_SIZE(murmur_known); i++) {
		struct mqbus_murmur m;

		mqbus_murmur_init(&m, strlen(murmur_known[i].key));
		mqbus_murmur_update(&m, murmur_known[i].key, strlen(murmur_known[i].key));
		/* As many partitions as numbers shows all 31 bits */
		CHECK(mqbus_murmur_partition(&m, 1U << 31) ==
		      partition_of(murmur_known[i].hash, 1U << 31));
		for (n = 1; n <= MQBUS_PARTITIONS_MAX; n++)
			CHECK(mqbus_murmur_partition(&m, n) ==
			      partition_of(murmur_known[i].hash, n));
	}
	test_end();
}

static u32 murmur_whole(const void *key, u32 len)
{
	struct mqbus_murmur m;

	mqbus_murmur_init(&m, len);
	mqbus_murmur_update(&m, key, len);
	return mqbus_murmur_partition(&m, 1U << 31);
}

/* Hash the rest of a key, split in every way; *@n counts the ways */
static void murmur_splits(const struct mqbus_murmur *m, const char *key, u32 len,
			  u32 want, unsigned int *n)
{
	struct mqbus_murmur part;
	u32 at;

	for (at = 4; at < len; at += 4) {
		part = *m;
		mqbus_murmur_update(&part, key, at);
		murmur_splits(&part, key + at, len - at, want, n);
	}
	part = *m;
	mqbus_murmur_update(&part, key, len);
	CHECK(mqbus_murmur_partition(&part, 1U << 31) == want);
	++*n;
}

static void test_murmur_pieces(void)
{
	unsigned int i, n = 0;

	test_begin("murmur2: every split at multiples of 4");
	for (i = 0; i < ARRAY_SIZE(murmur_known); i++) {
		u32 len = strlen(murmur_known[i].key);
		struct mqbus_murmur m;

		mqbus_murmur_init(&m, len);
		murmur_splits(&m, murmur_known[i].key, len,
			      partition_of(murmur_known[i].hash, 1U << 31), &n);
	}
	/* 48 bytes alone have 11 places to split at */
	CHECK(n >= 1 << 11);
	test_end();
}

static void test_murmur_bytes(void)
{
	unsigned int len, i;
	char key[24];

	test_begin("murmur2: every byte counts, none is read behind the end");
	for (len = 0; len <= sizeof(key); len++) {
		/* From the heap, where the sanitizer sees the end */
		char *exact = malloc(len ?: 1);
		u32 hash;

		memset(exact, 0x81, len ?: 1);
		hash = murmur_whole(exact, len);
		for (i = 0; i < len; i++) {
			exact[i] ^= 0x80;
			CHECK(murmur_whole(exact, len) != hash);
			exact[i] ^= 0x80;
		}
		free(exact);
	}
	test_end();
}

/* Append a header with parts of that length. Return: bytes so far. */
static u32 put_header(unsigned char *to, u32 at, u16 name_len, u16 value_len)
{
	struct mqbus_header h = { .name_len = name_len, .value_len = value_len };

	memcpy(to + at, &h, sizeof(h));
	at += sizeof(h);
	memset(to + at, 'x', name_len + value_len);
	return at + name_len + value_len;
}

/* Ask with the block at the very end of an allocation */
static bool headers_valid(const unsigned char *block, u32 len)
{
	unsigned char *exact = malloc(len ?: 1);
	bool valid;

	memcpy(exact, block, len);
	valid = mqbus_headers_valid(exact, len);
	free(exact);
	return valid;
}

static void test_headers(void)
{
	static unsigned char block[65536 * 2 + 64];
	u32 len, cut, ends[4], i;

	test_begin("headers: well formed and not");
	CHECK(headers_valid(block, 0));

	ends[0] = put_header(block, 0, 1, 0);
	ends[1] = put_header(block, ends[0], 5, 9);
	ends[2] = put_header(block, ends[1], 3, 3);
	ends[3] = put_header(block, ends[2], 300, 70);
	for (cut = 1; cut <= ends[3]; cut++) {
		bool whole = false;

		for (i = 0; i < ARRAY_SIZE(ends); i++)
			whole |= cut == ends[i];
		CHECK(headers_valid(block, cut) == whole);
	}

	/* A header without a name, first and later */
	len = put_header(block, 0, 0, 4);
	CHECK(!headers_valid(block, len));
	len = put_header(block, 0, 4, 4);
	len = put_header(block, len, 0, 0);
	CHECK(!headers_valid(block, len));

	/* Lengths whose sum does not fit 16 bits */
	len = put_header(block, 0, 0xffff, 0xffff);
	CHECK(headers_valid(block, len));
	CHECK(!headers_valid(block, len - 1));
	CHECK(!headers_valid(block, sizeof(struct mqbus_header) + 0xfffe));
	len = put_header(block, 0, 0xffff, 1);
	CHECK(!headers_valid(block, sizeof(struct mqbus_header)));

	/* As large as a block may be */
	len = put_header(block, 0, 8, MQBUS_HEADERS_MAX - sizeof(struct mqbus_header) - 8);
	CHECK(len == MQBUS_HEADERS_MAX && headers_valid(block, len));
	test_end();
}

static void test_header_count(void)
{
	unsigned char block[129 * 6];
	u32 len = 0, n;

	test_begin("headers: at most 128");
	for (n = 1; n <= 129; n++) {
		len = put_header(block, len, 1, n % 2);
		CHECK(headers_valid(block, len) == (n <= 128));
	}
	test_end();
}

static void test_record(void)
{
	u32 parts;

	test_begin("records: size and layout");
	CHECK(sizeof(struct mqbus_record) == 64);
	CHECK(sizeof(struct mqbus_header) == 4);
	CHECK(sizeof(struct mqbus_ring_page) <= MQBUS_RING_INDEX_AT);
	for (parts = 0; parts <= MQBUS_RECORD_MAX; parts++) {
		u32 bytes = mqbus_record_bytes(parts);

		CHECK(bytes % 8 == 0 && bytes >= 64 + parts && bytes < 64 + parts + 8);
	}
	test_end();
}

int main(void)
{
	test_init(1);
	test_murmur_known();
	test_murmur_pieces();
	test_murmur_bytes();
	test_headers();
	test_header_count();
	test_record();
	return test_done();
}
