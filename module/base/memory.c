// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a ring and their mapping twice in a row. Every page is charged to
 * the memory cgroup of the topic's creator; nothing is allocated later.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "base/memory.h"

static void pages_free(struct page **pages, unsigned long n)
{
	while (n) {
		__free_page(pages[--n]);
		cond_resched();
	}
}

/**
 * mqbus_memory_alloc() - allocate and map a partition's pages
 * @mem: filled on success
 * @size: bytes of the ring, a power of two of at least a page
 * @node: NUMA node to prefer
 *
 * Return: 0, -ENOMEM, or -EINTR after a fatal signal.
 */
int mqbus_memory_alloc(struct mqbus_memory *mem, u64 size, int node)
{
	unsigned long n = size >> PAGE_SHIFT, i;
	struct page *first, **pages;
	int err = -ENOMEM;

	pages = kvmalloc_array(2 * n, sizeof(*pages), MQBUS_GFP);
	if (!pages)
		return -ENOMEM;

	first = alloc_pages_node(node, MQBUS_GFP | __GFP_ZERO, 0);
	if (!first)
		goto free_array;

	for (i = 0; i < n; i++) {
		if (!(i & 255) && fatal_signal_pending(current)) {
			err = -EINTR;
			goto free_pages;
		}
		cond_resched();
		pages[i] = alloc_pages_node(node, MQBUS_GFP | __GFP_ZERO, 0);
		if (!pages[i])
			goto free_pages;
		pages[n + i] = pages[i];
	}

	mem->data = vmap(pages, 2 * n, VM_MAP, PAGE_KERNEL);
	if (!mem->data)
		goto free_pages;
	mem->page = page_address(first);
	mem->size = size;
	kvfree(pages);
	return 0;

free_pages:
	pages_free(pages, i);
	__free_page(first);
free_array:
	kvfree(pages);
	return err;
}

/**
 * mqbus_memory_free() - undo mqbus_memory_alloc()
 * @mem: as filled by it, or all zero
 *
 * No user still maps a page: a mapping holds the file of an endpoint, and the last
 * endpoint of the topic is closed.
 */
void mqbus_memory_free(struct mqbus_memory *mem)
{
	unsigned long n = mem->size >> PAGE_SHIFT, i;
	struct page *page, *next;
	LIST_HEAD(pages);

	if (!mem->data)
		return;
	/* Keeping the array for this would cost 8 bytes a page */
	for (i = 0; i < n; i++) {
		page = vmalloc_to_page(mem->data + (i << PAGE_SHIFT));
		list_add(&page->lru, &pages);
		cond_resched();
	}
	/* The next owner of a page must not find it mapped here */
	vunmap(mem->data);
	list_for_each_entry_safe(page, next, &pages, lru) {
		list_del(&page->lru);
		__free_page(page);
		cond_resched();
	}
	free_page((unsigned long)mem->page);
	mem->data = NULL;
}

/* Page number @index of a user's mapping, or NULL beyond its end */
struct page *mqbus_memory_page(const struct mqbus_memory *mem, unsigned long index)
{
	if (!index)
		return virt_to_page(mem->page);
	index--;
	if (index >= 2 * mem->size >> PAGE_SHIFT)
		return NULL;
	index = array_index_nospec(index, 2 * mem->size >> PAGE_SHIFT);
	return vmalloc_to_page(mem->data + (index << PAGE_SHIFT));
}
