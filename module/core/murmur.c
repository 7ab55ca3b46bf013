// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Partition of a key
 *
 * murmur2, 32 bit, seed 0x9747b28c, with the sign bit cleared, modulo the number
 * of partitions, as Kafka's default partitioner computes it: a key has the same
 * partition number in a Kafka topic with as many partitions.
 */
#include "murmur.h"

#define MURMUR_SEED	0x9747b28cU
#define MURMUR_M	0x5bd1e995U
#define MURMUR_R	24

/* Begin to hash a key of @total bytes. */
void mqbus_murmur_init(struct mqbus_murmur *m, u32 total)
{
	m->hash = MURMUR_SEED ^ total;
}

/* Hash the next piece of a key; @len is a multiple of 4 for all but the last piece. */
void mqbus_murmur_update(struct mqbus_murmur *m, const void *piece, u32 len)
{
	const u8 *p = piece;
	u32 h = m->hash;

	for (; len >= 4; len -= 4, p += 4) {
		u32 k = p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;

		k *= MURMUR_M;
		k ^= k >> MURMUR_R;
		k *= MURMUR_M;
		h = h * MURMUR_M ^ k;
	}
	if (len) {
		if (len == 3)
			h ^= p[2] << 16;
		if (len >= 2)
			h ^= p[1] << 8;
		h ^= p[0];
		h *= MURMUR_M;
	}
	m->hash = h;
}

/* Finish a hash. Return: the number of the key's partition. */
u32 mqbus_murmur_partition(const struct mqbus_murmur *m, u32 partitions)
{
	u32 h = m->hash;

	h ^= h >> 13;
	h *= MURMUR_M;
	h ^= h >> 15;
	return (h & 0x7fffffff) % partitions;
}
