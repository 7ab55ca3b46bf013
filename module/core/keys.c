// SPDX-License-Identifier: GPL-2.0
/*
 * Which records wait for another one of their key.
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

/**
 * mqbus_keys_init() - forget all keys
 * @k: everything but the contents of @buckets is set
 */
void mqbus_keys_init(struct mqbus_keys *k)
{
	u32 i;

	for (i = 0; i <= k->mask; i++)
		k->buckets[i] = MQBUS_NONE;
}

/**
 * mqbus_keys_find() - the head of a record's key
 * @k: the keys
 * @rec: a record with a key
 *
 * Return: an entry, or %MQBUS_NONE if the key has no record that is not settled.
 */
u32 mqbus_keys_find(struct mqbus_keys *k, const struct mqbus_record *rec)
{
	u32 i = *keys_bucket(k, rec);

	while (i != MQBUS_NONE && !keys_equal(k->record(k->arg, i), rec))
		i = k->heads[i].chain;
	return i;
}

/**
 * mqbus_keys_insert() - make an entry the head of its key
 * @k: the keys
 * @i: an entry whose record has a key that has no head
 */
void mqbus_keys_insert(struct mqbus_keys *k, u32 i)
{
	u32 *bucket = keys_bucket(k, k->record(k->arg, i));

	mqbus_list_init(&k->heads[i].held);
	k->heads[i].chain = *bucket;
	*bucket = i;
}

/**
 * mqbus_keys_hold() - put an entry behind all others of its key
 * @k: the keys
 * @t: the table
 * @head: the key's head
 * @i: the entry; its list link is free
 */
void mqbus_keys_hold(struct mqbus_keys *k, struct mqbus_table *t, u32 head, u32 i)
{
	mqbus_list_add(t, &k->heads[head].held, MQBUS_LIST, i);
}

/**
 * mqbus_keys_remove() - forget an entry
 * @k: the keys
 * @t: the table
 * @i: an entry whose record has a key: its head, or held behind it
 *
 * Return: the entry that is the key's head now because of this, or %MQBUS_NONE.
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
