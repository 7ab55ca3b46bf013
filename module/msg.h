/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_MSG_H
#define _MQBUS_MSG_H

#include <linux/types.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

#include "core/record.h"

struct mqbus_topic;

int mqbus_msg_check(const struct mqbus_topic *topic, struct mqbus_msg *m, u32 turn);
int mqbus_msg_copy(struct mqbus_record *rec, const struct mqbus_msg *m,
		   struct iov_iter *iter);
int mqbus_msg_fault_in(const struct mqbus_msg *m, struct iov_iter *iter);

/**
 * mqbus_msg_parts() - bytes of a record's parts
 * @m: a description, checked
 *
 * Return: bytes.
 */
static inline u32 mqbus_msg_parts(const struct mqbus_msg *m)
{
	return m->value_len + m->headers_len + m->key_len + m->routing_key_len;
}

/**
 * mqbus_msg_bytes() - bytes of a record in its ring
 * @m: a description, checked
 *
 * Return: bytes.
 */
static inline u32 mqbus_msg_bytes(const struct mqbus_msg *m)
{
	return mqbus_record_bytes(mqbus_msg_parts(m));
}

#endif /* _MQBUS_MSG_H */
