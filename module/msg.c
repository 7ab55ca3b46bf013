// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions of records as users give them: all that touches the user's memory.
 */
#include <linux/pagemap.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "core/murmur.h"
#include "core/record.h"
#include "msg.h"
#include "topic.h"

static bool user_range_ok(u64 addr, u32 len)
{
	return !len || access_ok(u64_to_user_ptr(addr), len);
}

static int msg_hash(const struct mqbus_msg *m, u32 partitions)
{
	struct mqbus_murmur hash;
	u8 piece[64];
	u32 at, n;

	mqbus_murmur_init(&hash, m->key_len);
	for (at = 0; at < m->key_len; at += n) {
		n = min_t(u32, sizeof(piece), m->key_len - at);
		if (copy_from_user(piece, u64_to_user_ptr(m->key) + at, n))
			return -EFAULT;
		mqbus_murmur_update(&hash, piece, n);
	}
	return mqbus_murmur_partition(&hash, partitions);
}

/* The parts that few records have. Return: 0 or a negative errno. */
static int msg_check_more(const struct mqbus_msg *m)
{
	if (m->headers_len > MQBUS_HEADERS_MAX || m->key_len > MQBUS_KEY_MAX ||
	    m->routing_key_len > MQBUS_ROUTING_KEY_MAX)
		return -EMSGSIZE;
	if (!user_range_ok(m->headers, m->headers_len) ||
	    !user_range_ok(m->key, m->key_len) ||
	    !user_range_ok(m->routing_key, m->routing_key_len))
		return -EFAULT;
	return 0;
}

static int msg_partition(const struct mqbus_topic *topic, const struct mqbus_msg *m,
			 u32 turn)
{
	if (m->partition != MQBUS_ANY)
		return topic->per_cpu || m->partition >= topic->nr_parts ? -ECHRNG :
									   m->partition;
	if (topic->nr_parts == 1)
		return 0;
	/* The rings are not bound to their CPU: moving on is harmless */
	if (topic->per_cpu)
		return raw_smp_processor_id();
	if (m->key_len)
		return msg_hash(m, topic->nr_parts);
	return turn % topic->nr_parts;
}

/**
 * mqbus_msg_check() - check a description and settle its partition
 * @topic: where it is to go
 * @m: the description; @partition is written back
 * @turn: of a record without a key and without a partition of its own
 *
 * A key is read where it decides. May fault.
 *
 * Return: 0 or a negative errno as of &struct mqbus_publish.
 */
int mqbus_msg_check(const struct mqbus_topic *topic, struct mqbus_msg *m, u32 turn)
{
	int ret;

	if (m->flags)
		return -EOPNOTSUPP;
	if (m->__reserved)
		return -EINVAL;
	/* The two that could make the sum overflow first */
	if (m->value_len > MQBUS_RECORD_MAX || m->headers_len > MQBUS_HEADERS_MAX ||
	    mqbus_msg_parts(m) > topic->max_record)
		return -EMSGSIZE;
	if (!user_range_ok(m->value, m->value_len))
		return -EFAULT;
	if (m->headers_len | m->key_len | m->routing_key_len) {
		ret = msg_check_more(m);
		if (ret)
			return ret;
	}
	ret = msg_partition(topic, m, turn);
	if (ret < 0)
		return ret;
	m->partition = ret;
	return 0;
}

/**
 * mqbus_msg_copy_rest() - copy what stands behind the value
 * @to: where to
 * @m: the record's description, checked
 *
 * Return: as mqbus_msg_copy().
 */
int mqbus_msg_copy_rest(void *to, const struct mqbus_msg *m)
{
	void *headers;

	if (!mqbus_msg_copy_part(&to, m->key, m->key_len) ||
	    !mqbus_msg_copy_part(&to, m->routing_key, m->routing_key_len))
		return -EFAULT;
	headers = to;
	if (!mqbus_msg_copy_part(&to, m->headers, m->headers_len))
		return -EFAULT;
	return mqbus_headers_valid(headers, m->headers_len) ? 0 : -EINVAL;
}

/**
 * mqbus_msg_copy_iter() - copy a value that an iterator has
 * @to: where to
 * @iter: the iterator; stays where it is after an error
 * @len: bytes
 *
 * Return: as mqbus_msg_copy().
 */
int mqbus_msg_copy_iter(void *to, struct iov_iter *iter, u32 len)
{
	struct iov_iter again = *iter;

	/* With the underscore for the reason that mqbus_msg_copy_part() gives */
	if (_copy_from_iter(to, len, iter) == len)
		return 0;
	*iter = again;
	return -EFAULT;
}

static bool fault_in(u64 addr, u32 len)
{
	return !len || !fault_in_readable(u64_to_user_ptr(addr), len);
}

/**
 * mqbus_msg_fault_in() - bring in the pages of a record
 * @m: its description, checked
 * @iter: its value, instead of the address; or NULL
 *
 * Return: 0, or -EFAULT if there are none.
 */
int mqbus_msg_fault_in(const struct mqbus_msg *m, struct iov_iter *iter)
{
	if (iter)
		return fault_in_iov_iter_readable(iter, m->value_len) ? -EFAULT : 0;
	if (!fault_in(m->value, m->value_len) || !fault_in(m->headers, m->headers_len) ||
	    !fault_in(m->key, m->key_len) || !fault_in(m->routing_key, m->routing_key_len))
		return -EFAULT;
	return 0;
}
