/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_LINUX_SIPHASH_H
#define SHIM_LINUX_SIPHASH_H

#include <linux/types.h>

typedef struct {
	u64 key[2];
} hsiphash_key_t;

/* Any hash will do here; a poor one lets more keys meet in a bucket */
static inline u32 hsiphash(const void *data, size_t len, const hsiphash_key_t *key)
{
	const u8 *p = data;
	u32 h = key->key[0];

	while (len--)
		h = h * 31 + *p++;
	return h;
}

#endif
