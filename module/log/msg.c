// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions of records from users: all accesses to user memory.
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

/* Not inline: most records have no key, and its array would be on every caller's stack. */
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

/* Check the parts that few records have. Return: 0 or a negative errno. */
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
	/* A ring works from any CPU, so migration is harmless */
	if (topic->per_cpu)
		return raw_smp_processor_id();
	if (m->key_len)
		return msg_hash(m, topic->nr_parts);
	return turn % topic->nr_parts;
}

/**
 * mqbus_msg_check() - check a description and choose its partition
 * @topic: the record's topic
 * @m: the description; @partition is written back
 * @turn: chooses the partition of a record without key and partition
 *
 * The key is read if it chooses the partition. May fault.
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
	/* The two lengths that could make the sum overflow, first */
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

/* Copy the parts behind the value; the description is checked. Return: as mqbus_msg_copy(). */
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
 * mqbus_msg_copy_iter() - copy a value from an iterator
 * @to: destination
 * @iter: the iterator; does not advance on error
 * @len: bytes
 *
 * Return: as mqbus_msg_copy().
 */
int mqbus_msg_copy_iter(void *to, struct iov_iter *iter, u32 len)
{
	struct iov_iter again = *iter;

	/* Without hardened usercopy's check, see mqbus_msg_copy_part() */
	if (_copy_from_iter(to, len, iter) == len)
		return 0;
	*iter = again;
	return -EFAULT;
}

/**
 * mqbus_msg_make() - assemble a record in kernel memory
 * @rec: room for mqbus_msg_bytes()
 * @m: its description, checked, with barrier_nospec() behind the check
 * @iter: its value, instead of the address; or NULL
 *
 * The ring's fields are filled when it is stored. May sleep, for as long as user memory
 * does not arrive: hold no lock that another endpoint needs.
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
	/* The padding is copied into the ring too */
	memset((void *)(rec + 1) + parts, 0, rec->size - sizeof(*rec) - parts);
	if (iter)
		return copy_from_iter_full(rec + 1, m->value_len, iter) ? 0 : -EFAULT;
	/* copy_from_user() without checks of known addresses */
	return mqbus_msg_copy(rec, m);
}
