// SPDX-License-Identifier: GPL-2.0
/*
 * The form of a record.
 */
#include "record.h"

/**
 * mqbus_headers_valid() - check the form of a block of headers
 * @headers: &struct mqbus_header elements, in memory that nobody else writes
 * @len: bytes of the block, at most %MQBUS_HEADERS_MAX
 *
 * Readers walk headers in place, so a malformed block is refused.
 * The loop is bounded by %MQBUS_HEADER_COUNT_MAX; it runs under a ring's lock.
 *
 * Return: whether the block is a sequence of headers that ends at @len.
 */
bool mqbus_headers_valid(const void *headers, u32 len)
{
	struct mqbus_header h;
	unsigned int n = 0;
	u32 at = 0;

	while (at < len) {
		if (++n > MQBUS_HEADER_COUNT_MAX || len - at < sizeof(h))
			return false;
		memcpy(&h, headers + at, sizeof(h));
		at += sizeof(h);
		if (!h.name_len || (u32)h.name_len + h.value_len > len - at)
			return false;
		at += (u32)h.name_len + h.value_len;
	}
	return true;
}
