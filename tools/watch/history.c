// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "history.h"

static int compare(const char *topic, const char *group, const struct history *h)
{
	int ret = strcmp(topic, h->topic);

	return ret ? ret : strcmp(group, h->group);
}

/* Its index among the first @n, or where it belongs. */
static size_t place(const struct histories *all, size_t n, const char *topic,
		    const char *group)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (compare(topic, group, all->list[middle]) > 0)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

const struct history *history_find(const struct histories *all, const char *topic,
				   const char *group)
{
	size_t i = place(all, all->n, topic, group);

	if (i < all->n && !compare(topic, group, all->list[i]))
		return all->list[i];
	return NULL;
}

static struct history *insert(struct histories *all, const char *topic, const char *group)
{
	size_t i = place(all, all->n, topic, group);
	struct history *h;

	if (i < all->n && !compare(topic, group, all->list[i]))
		return all->list[i];
	h = calloc(1, sizeof(*h));
	all->list = reallocarray(all->list, all->n + 1, sizeof(*all->list));
	if (!h || !all->list)
		abort();
	memmove(all->list + i + 1, all->list + i, (all->n++ - i) * sizeof(*all->list));
	all->list[i] = h;
	strcpy(h->topic, topic);
	strcpy(h->group, group);
	h->window.size = HISTORY_SAMPLES;
	return h;
}

static void add_value(struct histories *all, struct history *h, double value)
{
	if (h->n == HISTORY_POINTS)
		memmove(h->value, h->value + 1, --h->n * sizeof(*h->value));
	h->value[h->n++] = value;
	h->seen = all->samples;
}

/* Forget deleted objects; another one may get the name. */
static void sweep(struct histories *all)
{
	size_t i, n = 0;

	for (i = 0; i < all->n; i++) {
		if (all->list[i]->seen == all->samples)
			all->list[n++] = all->list[i];
		else
			free(all->list[i]);
	}
	all->n = n;
}

void history_add(struct histories *all, const struct sample *old, const struct sample *new)
{
	const struct sample_group *g;
	const struct mqbus_admin_topic *t;

	all->samples++;
	for (t = new->topics; t < new->topics + new->nr_topics; t++) {
		const struct mqbus_admin_topic *b = old ? sample_topic(old, t->name) : NULL;
		double rate = b ? sample_rate(old, new, b->published, t->published) : 0;

		add_value(all, insert(all, t->name, ""), rate);
	}
	for (g = new->groups; g < new->groups + new->nr_groups; g++) {
		struct history *h = insert(all, g->topic, g->name);

		add_value(all, h, g->lag);
		window_add(&h->window, g);
	}
	sweep(all);
}

void history_free(struct histories *all)
{
	/* With an empty sample */
	all->samples++;
	sweep(all);
	free(all->list);
}
