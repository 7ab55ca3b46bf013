/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_MURMUR_H
#define _MQBUS_CORE_MURMUR_H

#include "sys.h"

/**
 * struct mqbus_murmur - murmur2 of a key that comes in pieces
 * @hash: the state
 */
struct mqbus_murmur {
	u32 hash;
};

void mqbus_murmur_init(struct mqbus_murmur *m, u32 total);
void mqbus_murmur_update(struct mqbus_murmur *m, const void *piece, u32 len);
u32 mqbus_murmur_partition(const struct mqbus_murmur *m, u32 partitions);

#endif /* _MQBUS_CORE_MURMUR_H */
