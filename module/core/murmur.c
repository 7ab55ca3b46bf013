// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Which partition a key belongs to
 *
 * murmur2, 32 bit, seed 0x9747b28c, with the sign bit cleared, modulo the number
 * of partitions: what Kafka's default partitioner does. So a key has the same
 * partition number here and in a Kafka topic of as many partitions.
 */
#include "murmur.h"

#define MURMUR_SEED	0x9747b28cU
#define MURMUR_M	0x5bd1e995U
#define MURMUR_R	24

/**
 * mqbus_murmur_init() - begin to hash a key
 * @m: state
 * @total: bytes of the whole key
 */
void mqbus_murmur_init(struct mqbus_murmur *m, u32 total)
{
	m->hash = MURMUR_SEED ^ total;
}

/**
 * mqbus_murmur_update() - hash the next piece of a key
 * @m: state
 * @piece: the bytes
 * @len: how many; a multiple of 4 for all pieces but the last
 */
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

/**
 * mqbus_murmur_partition() - finish a hash
 * @m: state, after the last piece
 * @partitions: number of partitions, not 0
 *
 * Return: the number of the key's partition.
 */
u32 mqbus_murmur_partition(const struct mqbus_murmur *m, u32 partitions)
{
	u32 h = m->hash;

	h ^= h >> 13;
	h *= MURMUR_M;
	h ^= h >> 15;
	return (h & 0x7fffffff) % partitions;
}
