// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions of records as users give them: all that touches the user's memory.
 */
#include <linux/nospec.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "core/murmur.h"
#include "core/record.h"
#include "log/msg.h"
#include "log/topic.h"

static bool user_range_ok(u64 addr, u32 len)
{
	return !len || access_ok(u64_to_user_ptr(addr), len);
}

/* Not inline: most records have no key, and its array would be on everybody's stack. */
static noinline int msg_hash(const struct mqbus_msg *m, u32 partitions)
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
		       (int)array_index_nospec(m->partition, topic->nr_parts);
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

/**
 * mqbus_msg_make() - put a record together in the kernel's own memory
 * @rec: room for mqbus_msg_bytes()
 * @m: its description, checked, with barrier_nospec() behind that
 * @iter: its value, instead of the address; or NULL
 *
 * What depends on where it is stored comes then. May sleep, for as long as the user's
 * memory lets it: no lock may be held that another endpoint needs.
 *
 * Return: 0, -EFAULT, -EINVAL.
 */
int mqbus_msg_make(struct mqbus_record *rec, const struct mqbus_msg *m, struct iov_iter *iter)
{
	u32 parts = mqbus_msg_parts(m);

	might_fault();
	*rec = (struct mqbus_record) {
		.size = mqbus_record_bytes(parts),
		.value_len = m->value_len,
		.headers_len = m->headers_len,
		.key_len = m->key_len,
		.routing_key_len = m->routing_key_len,
		.schema = m->schema,
	};
	/* The padding goes into the ring with the rest */
	memset((void *)(rec + 1) + parts, 0, rec->size - sizeof(*rec) - parts);
	if (iter)
		return copy_from_iter_full(rec + 1, m->value_len, iter) ? 0 : -EFAULT;
	/* As copy_from_user() would, but for its checks of addresses that are known */
	return mqbus_msg_copy(rec, m);
}
