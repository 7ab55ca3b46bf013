/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_MSG_H
#define _MQBUS_MSG_H

#include <linux/instrumented.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

#include "core/record.h"

struct mqbus_topic;

int mqbus_msg_check(const struct mqbus_topic *topic, struct mqbus_msg *m, u32 turn);
int mqbus_msg_copy_rest(void *to, const struct mqbus_msg *m);
int mqbus_msg_copy_iter(void *to, struct iov_iter *iter, u32 len);
int mqbus_msg_make(struct mqbus_record *rec, const struct mqbus_msg *m, struct iov_iter *iter);

/* Bytes of the parts of a record; its description is checked */
static inline u32 mqbus_msg_parts(const struct mqbus_msg *m)
{
	return m->value_len + m->headers_len + m->key_len + m->routing_key_len;
}

/* Bytes of a record in its ring; its description is checked */
static inline u32 mqbus_msg_bytes(const struct mqbus_msg *m)
{
	return mqbus_record_bytes(mqbus_msg_parts(m));
}

/**
 * mqbus_msg_copy_part() - copy a part of a record
 * @to: destination; advances
 * @from: user address, checked
 * @len: bytes
 *
 * Call it after mqbus_msg_check(), which checks the address, and barrier_nospec(). It is
 * __copy_from_user_inatomic() with page faults disabled, else __copy_from_user(), without
 * the check by hardened usercopy of the ring's address: that check searches the table of
 * all vmalloc areas, under a lock that all CPUs share.
 *
 * Return: whether all bytes could be copied.
 */
static inline bool mqbus_msg_copy_part(void **to, u64 from, u32 len)
{
	const void __user *user = u64_to_user_ptr(from);
	unsigned long left;

	if (!len)
		return true;
	instrument_copy_from_user_before(*to, user, len);
	left = raw_copy_from_user(*to, user, len);
	instrument_copy_from_user_after(*to, user, len, left);
	*to += len;
	return !left;
}

/**
 * mqbus_msg_copy() - copy the parts behind the header
 * @rec: destination
 * @m: the record's description, checked
 *
 * Inline, because it is called for each record, and most records have only a value.
 *
 * Return: 0, -EFAULT (a page may be missing: mqbus_msg_make() waits for it), -EINVAL.
 */
static inline int mqbus_msg_copy(struct mqbus_record *rec, const struct mqbus_msg *m)
{
	void *to = rec + 1;

	if (!mqbus_msg_copy_part(&to, m->value, m->value_len))
		return -EFAULT;
	if (likely(!(m->headers_len | m->key_len | m->routing_key_len)))
		return 0;
	return mqbus_msg_copy_rest(to, m);
}

#endif /* _MQBUS_MSG_H */
