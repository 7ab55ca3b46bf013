/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RECORD_H
#define _MQBUS_CORE_RECORD_H

#include "sys.h"

/* Bytes that a dead letter's own headers may take, besides those of its record */
#define MQBUS_DLQ_HEADERS	1024

/* Bytes in a ring, for &mqbus_record.size, of a record with parts up to MQBUS_RECORD_MAX */
static inline u32 mqbus_record_bytes(u32 parts)
{
	return ALIGN(sizeof(struct mqbus_record) + parts, 8);
}

/* The same for the largest record of a topic, which may be a dead letter with its headers */
static inline u32 mqbus_record_most(u32 max_record)
{
	return mqbus_record_bytes(max_record + MQBUS_DLQ_HEADERS);
}

bool mqbus_headers_valid(const void *headers, u32 len);

#endif /* _MQBUS_CORE_RECORD_H */
