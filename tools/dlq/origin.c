// SPDX-License-Identifier: GPL-2.0
/*
 * The origin of a letter. Its headers name it, but any producer of the topic for dead
 * letters may write such headers, too. The kernel stores a group's dead letters under a
 * number that no producer ever has, so only that number is trusted.
 */
#include <stdlib.h>
#include <string.h>

#include "dlq.h"
#include "mqbus_admin.h"

/* The name in a header; false if it is not a valid name. */
static bool name_get(char name[MQBUS_NAME_SIZE], const struct mqbus_header_view *h)
{
	if (!h->name || !h->value_len || h->value_len >= MQBUS_NAME_SIZE ||
	    memchr(h->value, 0, h->value_len))
		return false;
	memcpy(name, h->value, h->value_len);
	name[h->value_len] = '\0';
	return true;
}

static int compare(const void *key, const void *element)
{
	const struct mqbus_admin_group *k = key, *g = element;
	int ret = strcmp(k->topic, g->topic);

	return ret ? ret : strcmp(k->name, g->name);
}

/* All groups that this user may list, once: queries must not depend on a letter. */
static const struct mqbus_admin_group *group_find(struct dlq *d,
						  const struct mqbus_admin_group *key)
{
	if (!d->groups && mqbus_admin_group_list(NULL, NULL, &d->groups, &d->nr_groups))
		d->nr_groups = 0;
	if (!d->nr_groups)
		return NULL;
	return bsearch(key, d->groups, d->nr_groups, sizeof(*key), compare);
}

bool dlq_origin_topic(const struct dlq_letter *l, char topic[MQBUS_NAME_SIZE])
{
	return name_get(topic, &l->field[DLQ_TOPIC]);
}

bool dlq_origin_verified(struct dlq *d, const struct dlq_letter *l)
{
	const struct mqbus_admin_group *g;
	struct mqbus_admin_group key;

	if (!name_get(key.topic, &l->field[DLQ_TOPIC]) ||
	    !name_get(key.name, &l->field[DLQ_GROUP]))
		return false;
	g = group_find(d, &key);
	return g && g->queue.dlq_producer && g->queue.dlq_producer == l->record->producer;
}
