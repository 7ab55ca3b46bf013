/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RECORD_H
#define _MQBUS_CORE_RECORD_H

#include "sys.h"

/* Bytes that the headers of a dead letter may take, beyond its record's */
#define MQBUS_DLQ_HEADERS	1024

/**
 * mqbus_record_bytes() - bytes that a record takes in a ring
 * @parts: bytes of its parts together, at most %MQBUS_RECORD_MAX
 *
 * Return: the value for &mqbus_record.size.
 */
static inline u32 mqbus_record_bytes(u32 parts)
{
	return ALIGN(sizeof(struct mqbus_record) + parts, 8);
}

/**
 * mqbus_record_most() - bytes that the largest record takes that may come to a topic
 * @max_record: bytes of its parts together, but for the headers of a dead letter
 *
 * Return: as mqbus_record_bytes().
 */
static inline u32 mqbus_record_most(u32 max_record)
{
	return mqbus_record_bytes(max_record + MQBUS_DLQ_HEADERS);
}

bool mqbus_headers_valid(const void *headers, u32 len);

#endif /* _MQBUS_CORE_RECORD_H */
