// SPDX-License-Identifier: GPL-2.0
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

void ring_make(struct ring *r, uint64_t size)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	void *first, *second;

	if (fd < 0 || ftruncate(fd, size))
		die("memfd");
	memset(r, 0, sizeof(*r));
	r->size = size;
	r->page.size = size;
	first = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (first == MAP_FAILED)
		die("mmap");
	r->data = first;
	first = mmap(r->data, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	second = mmap(r->data + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (first == MAP_FAILED || second == MAP_FAILED)
		die("mmap");
	close(fd);
}

void ring_free(struct ring *r)
{
	munmap(r->data, 2 * r->size);
}

/* Fair, or the writer would hardly ever let a reader in */
static void ring_lock(struct ring *r)
{
	unsigned int mine = __atomic_fetch_add(&r->ticket, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&r->served, __ATOMIC_ACQUIRE) != mine)
		sched_yield();
}

static void ring_unlock(struct ring *r)
{
	__atomic_store_n(&r->served, r->served + 1, __ATOMIC_RELEASE);
}

static struct mqbus_record *ring_at(struct ring *r, uint64_t pos)
{
	return (void *)(r->data + (pos & (r->size - 1)));
}

static unsigned char value_byte(uint64_t offset, uint32_t i)
{
	return (offset * 2654435761u + i) >> 3;
}

void ring_append(struct ring *r, uint32_t value_len)
{
	uint32_t size = (sizeof(struct mqbus_record) + value_len + 7) & ~7U;
	struct mqbus_record *rec;
	unsigned char *value;
	uint64_t head;
	uint32_t i;

	ring_lock(r);
	head = r->page.head;
	while (r->page.tail + size - head > r->size) {
		head += ring_at(r, head)->size;
		r->page.head_offset++;
	}
	__atomic_store_n(&r->page.head, head, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	rec = ring_at(r, r->page.tail);
	value = (unsigned char *)(rec + 1);
	memset(rec, 0, sizeof(*rec));
	rec->size = size;
	rec->offset = r->page.next_offset++;
	rec->value_len = value_len;
	for (i = 0; i < value_len; i++)
		value[i] = value_byte(rec->offset, i);
	__atomic_store_n(&r->page.tail, r->page.tail + size, __ATOMIC_RELEASE);
	ring_unlock(r);
}

int ring_whole(const struct mqbus_record *rec)
{
	const unsigned char *value;
	size_t len, i;

	value = mqbus_record_value(rec, &len);
	if (rec->size != ((sizeof(*rec) + len + 7) & ~7UL))
		return 0;
	for (i = 0; i < len; i++) {
		if (value[i] != value_byte(rec->offset, i))
			return 0;
	}
	return 1;
}

void ring_consumer_make(struct mqbus_consumer *c, struct ring *r, int evict)
{
	memset(c, 0, sizeof(*c));
	c->parts = calloc(1, sizeof(*c->parts));
	c->entries = calloc(1, sizeof(*c->entries));
	c->copy_size = r->size;
	c->copy = evict ? malloc(c->copy_size) : NULL;
	if (!c->parts || !c->entries || (evict && !c->copy))
		die("malloc");
	c->parts[0].map.page = &r->page;
	c->parts[0].map.data = r->data;
	c->parts[0].map.mask = r->size - 1;
	c->parts[0].entry = MQBUS_ANY;
}

void ring_consumer_free(struct mqbus_consumer *c)
{
	free(c->parts);
	free(c->entries);
	free(c->copy);
}

int ring_take(struct ring *r, struct mqbus_consumer *c)
{
	struct mqbus_range *range = &c->ranges[0];

	mqbus_consumer_note(c);
	ring_lock(r);
	range->begin = range->end;
	range->begin_offset = range->end_offset;
	range->lost = 0;
	if (range->begin < r->page.head) {
		range->lost = r->page.head_offset - range->begin_offset;
		range->begin = r->page.head;
		range->begin_offset = r->page.head_offset;
	}
	range->end = r->page.tail;
	range->end_offset = r->page.next_offset;
	ring_unlock(r);
	c->lost += range->lost;
	c->nr_ranges = 1;
	mqbus_consumer_enter(c, 0);
	return range->begin != range->end;
}
