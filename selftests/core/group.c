// SPDX-License-Identifier: GPL-2.0
#include "group.h"

static void group_source(struct group *g, u32 i, u64 size)
{
	const struct mqbus_mark start = {};

	ring_make(&g->mem[i], &g->rings[i], size, false);
	g->source[i].ring = &g->rings[i];
	if (i == g->sources)
		return;
	mqbus_cursor_init(&g->cursors[i]);
	spin_lock(&g->rings[i].lock);
	mqbus_cursor_place(&g->cursors[i], &g->rings[i], &start);
	spin_unlock(&g->rings[i].lock);
	g->source[i].cursor = &g->cursors[i];
}

void group_make(struct group *g, const struct group_options *o)
{
	u32 nr = o->max_inflight + o->max_retry + o->max_held, i;

	memset(g, 0, sizeof(*g));
	g->sources = o->sources;
	for (i = 0; i < o->sources; i++)
		group_source(g, i, o->size);
	group_source(g, i, o->retry_size);
	if (o->max_held) {
		g->keys.heads = calloc(nr, sizeof(*g->keys.heads));
		g->keys.buckets = calloc(4, sizeof(*g->keys.buckets));
		g->keys.mask = 3;
		g->w.keys = &g->keys;
	}
	g->w.sources = g->source;
	g->w.nr_sources = o->sources;
	g->w.seats = g->seats;
	g->w.nr_seats = GROUP_SEATS;
	g->w.once = o->once;
	g->w.max_retry = o->max_retry;
	g->w.max_held = o->max_held;
	g->w.margin = o->margin;
	g->w.conf.max_inflight = o->max_inflight;
	g->w.conf.credit = o->max_inflight;
	mqbus_inflight_init(&g->w, calloc(nr, sizeof(struct mqbus_entry)), nr);
}

void group_free(struct group *g)
{
	u32 i;

	for (i = 0; i <= g->sources; i++)
		ring_mem_free(&g->mem[i]);
	free(g->keys.heads);
	free(g->keys.buckets);
	free(g->w.table.entries);
}

static u32 key_len(u32 key)
{
	return key ? 1 + key / 4 : 0;
}

static void record_fill(struct mqbus_record *rec, u32 source, u64 offset, u32 size, u32 key)
{
	u32 len = key_len(key);
	char *end = (char *)rec + size;

	*rec = (struct mqbus_record) {
		.size = size,
		.offset = offset,
		.producer = source,
		.seq = offset + 1,
		.value_len = size - sizeof(*rec) - len,
		.key_len = len,
		.schema = key,
	};
	rec_body(rec, size, offset * GROUP_SOURCES + source, 0, size / 8);
	if (len) {
		memset(end - len, 'a', len);
		end[-1] += key % 4 * 4;	/* in the same bucket */
	}
}

bool group_publish(struct group *g, u32 source, u32 size, u32 key)
{
	struct mqbus_ring *ring = &g->rings[source];
	bool room;

	mqbus_inflight_flush(&g->w);
	spin_lock(&ring->lock);
	room = mqbus_ring_reserve(ring, size, mqbus_cursor_floor(&g->cursors[source]));
	if (room) {
		record_fill(mqbus_ring_slot(ring), source, ring->tail.offset, size, key);
		mqbus_ring_stage(ring, size);
		mqbus_ring_publish(ring);
	}
	spin_unlock(&ring->lock);
	return room;
}

u32 group_unlock(struct group *g, bool blocked)
{
	u32 holds = 0;
	bool more;

	for (;; holds++) {
		more = blocked ? mqbus_inflight_postpone(&g->w) : mqbus_inflight_stow(&g->w);
		/* Limits of one hold, for any work; its last record may be of any size */
		CHECK(g->w.steps <= MQBUS_INFLIGHT_STEP);
		CHECK(g->w.copied < g->w.hold + max(g->w.margin, 1U));
		mqbus_inflight_flush(&g->w);
		if (!more)
			return holds;
	}
}

/* From the end to the oldest record, and then from each to the next: a lap */
static void scribble_retry(struct group *g)
{
	const struct mqbus_source *source = &g->source[g->sources];
	u64 at = source->end, lap = source->ring->size, bytes = 0;
	u32 i;

	for (i = source->order.first; i != MQBUS_NONE;
	     i = mqbus_inflight_entry(&g->w, i)->order.next) {
		u64 pos = mqbus_inflight_entry(&g->w, i)->pos + lap;
		u32 size = mqbus_inflight_record(&g->w, i)->size;

		CHECK(pos >= at && pos + size <= source->end + lap);
		memset(mqbus_ring_record(source->ring, at), 0xff, pos - at);
		at = pos + size;
		bytes += size;
	}
	memset(mqbus_ring_record(source->ring, at), 0xff, source->end + lap - at);
	CHECK(bytes == g->w.retry_live);
}

void group_scribble(struct group *g)
{
	u32 i;

	mqbus_inflight_flush(&g->w);
	for (i = 0; i < g->sources; i++) {
		struct mqbus_ring *ring = &g->rings[i];
		u64 floor = mqbus_cursor_floor(&g->cursors[i]);

		spin_lock(&ring->lock);
		mqbus_ring_expire(ring, floor, U64_MAX, U64_MAX, ~0U);
		CHECK(ring->head.pos == floor);
		memset(mqbus_ring_slot(ring), 0xff, ring->size - (ring->tail.pos - floor));
		spin_unlock(&ring->lock);
	}
	scribble_retry(g);
}

bool group_whole(const struct mqbus_record *rec, u32 source, u64 offset, u32 size, u32 key)
{
	static u64 want[MQBUS_RECORD_MAX / 8 + sizeof(*rec) / 8];

	record_fill((struct mqbus_record *)want, source, offset, size, key);
	return !memcmp(rec, want, size);
}
