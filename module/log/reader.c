// SPDX-License-Identifier: GPL-2.0
/*
 * Readers as writers see them: space that they need, and waking them.
 */
#include <linux/rculist.h>

#include "core/cursor.h"
#include "log/reader.h"
#include "log/topic.h"

static void stored_map(struct mqbus_stored *stored, u32 partition)
{
	if (likely(partition < MQBUS_PARTITIONS_MAX))
		__set_bit(partition, stored->parts);
	else
		stored->beyond = true;
}

/* mqbus_stored_add() for another partition than the first. */
void mqbus_stored_add_more(struct mqbus_stored *stored, const struct mqbus_topic *topic,
			   u32 partition)
{
	if (!stored->several) {
		stored->several = true;
		stored->beyond = false;
		bitmap_zero(stored->parts, min_t(u32, topic->nr_parts, MQBUS_PARTITIONS_MAX));
		stored_map(stored, stored->partition);
	}
	stored_map(stored, partition);
}

/* The next partition from @from on that had an append; @parts, their number, if none has. */
u32 mqbus_stored_next(const struct mqbus_stored *stored, u32 parts, u32 from)
{
	u32 size = min_t(u32, parts, MQBUS_PARTITIONS_MAX), next;

	if (stored->beyond)
		return from;
	next = find_next_bit(stored->parts, size, from);
	return next < size ? next : parts;
}

/*
 * Position below which no reader needs records, or MQBUS_CURSOR_NO_FLOOR without a reader that
 * holds records back.
 */
u64 mqbus_readers_floor(const struct mqbus_topic *topic, u32 partition)
{
	u64 floor = MQBUS_CURSOR_NO_FLOOR;
	struct mqbus_reader *reader;

	rcu_read_lock();
	list_for_each_entry_rcu(reader, &topic->readers, node)
		floor = min(floor, mqbus_cursor_floor(&reader->slots[partition].cursor));
	rcu_read_unlock();
	return floor;
}

/* Wake readers of the stored records, and clear @stored; no ring's lock is held. */
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored)
{
	struct mqbus_reader *reader;

	if (!stored->any)
		return;
	stored->any = false;
	/* ORD_SLEEP: full barrier; pairs with the one of prepare_to_wait() */
	smp_mb();
	/* RCU keeps readers and their waiters */
	rcu_read_lock();
	list_for_each_entry_rcu(reader, &topic->readers, node)
		reader->wake(reader, stored);
	rcu_read_unlock();
}
