/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_KEYS_H
#define _MQBUS_CORE_KEYS_H

#include "entry.h"

/**
 * DOC: Keys
 *
 * For groups that hand out the records of a key one at a time. For each key with records
 * that are taken and not settled, the *head* may be handed out; the others are held behind
 * it, in order. Heads are found in a hash table; keys are compared as a whole, so that two
 * different keys never wait for each other.
 */

/**
 * struct mqbus_key - state of an entry that is the head of a key
 * @chain: next head of the same bucket, or %MQBUS_NONE
 * @held: entries behind it, through their list link
 */
struct mqbus_key {
	u32 chain;
	struct mqbus_list held;
};

/**
 * struct mqbus_keys - the keys that have records in a table
 * @heads: for each entry of the table
 * @buckets: first heads
 * @mask: number of buckets less one
 * @secret: of the hash, so that users cannot choose keys that collide
 * @record: finds the record of an entry
 * @arg: for @record
 */
struct mqbus_keys {
	struct mqbus_key *heads;
	u32 *buckets;
	u32 mask;
	hsiphash_key_t secret;
	const struct mqbus_record *(*record)(void *arg, u32 i);
	void *arg;
};

void mqbus_keys_init(struct mqbus_keys *k);
u32 mqbus_keys_find(struct mqbus_keys *k, const struct mqbus_record *rec);
void mqbus_keys_insert(struct mqbus_keys *k, u32 i);
void mqbus_keys_hold(struct mqbus_keys *k, struct mqbus_table *t, u32 head, u32 i);
u32 mqbus_keys_remove(struct mqbus_keys *k, struct mqbus_table *t, u32 i);

#endif /* _MQBUS_CORE_KEYS_H */
