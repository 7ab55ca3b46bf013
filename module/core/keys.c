// SPDX-License-Identifier: GPL-2.0
/*
 * Exclusive keys: records wait for an earlier one of their key.
 */
#include "keys.h"

static const void *record_key(const struct mqbus_record *rec)
{
	return (const void *)(rec + 1) + rec->value_len;
}

static u32 *keys_bucket(struct mqbus_keys *k, const struct mqbus_record *rec)
{
	return &k->buckets[hsiphash(record_key(rec), rec->key_len, &k->secret) & k->mask];
}

static bool keys_equal(const struct mqbus_record *a, const struct mqbus_record *b)
{
	return a->key_len == b->key_len && !memcmp(record_key(a), record_key(b), a->key_len);
}

/* Forget all keys; all fields but the contents of @buckets are set. */
void mqbus_keys_init(struct mqbus_keys *k)
{
	u32 i;

	for (i = 0; i <= k->mask; i++)
		k->buckets[i] = MQBUS_NONE;
}

/* Head of a record's key, or MQBUS_NONE if no unsettled record has the key. */
u32 mqbus_keys_find(struct mqbus_keys *k, const struct mqbus_record *rec)
{
	u32 i = *keys_bucket(k, rec);

	while (i != MQBUS_NONE && !keys_equal(k->record(k->arg, i), rec))
		i = k->heads[i].chain;
	return i;
}

/* Make an entry the head of its key, which has none. */
void mqbus_keys_insert(struct mqbus_keys *k, u32 i)
{
	u32 *bucket = keys_bucket(k, k->record(k->arg, i));

	mqbus_list_init(&k->heads[i].held);
	k->heads[i].chain = *bucket;
	*bucket = i;
}

/* Append an entry to those of a key; its list link is free. */
void mqbus_keys_hold(struct mqbus_keys *k, struct mqbus_table *t, u32 head, u32 i)
{
	mqbus_list_add(t, &k->heads[head].held, MQBUS_LIST, i);
}

/*
 * Remove an entry, the head of its key or held behind it. Return: the entry that became the
 * key's head, or MQBUS_NONE.
 */
u32 mqbus_keys_remove(struct mqbus_keys *k, struct mqbus_table *t, u32 i)
{
	const struct mqbus_record *rec = k->record(k->arg, i);
	u32 *at = keys_bucket(k, rec);
	u32 head, next;

	while (!keys_equal(k->record(k->arg, *at), rec))
		at = &k->heads[*at].chain;
	head = *at;
	if (head != i) {
		mqbus_list_del(t, &k->heads[head].held, MQBUS_LIST, i);
		return MQBUS_NONE;
	}

	next = k->heads[i].held.first;
	if (next == MQBUS_NONE) {
		*at = k->heads[i].chain;
		return MQBUS_NONE;
	}
	mqbus_list_del(t, &k->heads[i].held, MQBUS_LIST, next);
	k->heads[next] = k->heads[i];
	*at = next;
	return next;
}
