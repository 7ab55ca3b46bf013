// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "dlq.h"

static const char * const field_names[] = {
	[DLQ_TOPIC] = "topic",
	[DLQ_PARTITION] = "partition",
	[DLQ_OFFSET] = "offset",
	[DLQ_GROUP] = "group",
	[DLQ_ATTEMPTS] = "attempts",
	[DLQ_REASON] = "reason",
	[DLQ_FIRST] = "first",
	[DLQ_LAST] = "last",
	[DLQ_PID] = "pid",
	[DLQ_UID] = "uid",
};

#define PREFIX_LEN (sizeof(MQBUS_DLQ_PREFIX) - 1)

const char *dlq_field_name(enum dlq_field field)
{
	return field_names[field];
}

static bool bytes_are(const void *data, size_t len, const char *s, size_t n)
{
	return len == n && !memcmp(data, s, n);
}

bool dlq_header_added(const struct mqbus_header_view *h)
{
	return h->name_len >= PREFIX_LEN && !memcmp(h->name, MQBUS_DLQ_PREFIX, PREFIX_LEN);
}

void dlq_letter_read(struct dlq_letter *l, const struct mqbus_record *r,
		     const struct mqbus_leased *lease)
{
	struct mqbus_header_view h;
	__u32 iter = 0;
	size_t i;

	memset(l, 0, sizeof(*l));
	l->record = r;
	l->lease = lease;
	while (mqbus_record_header(r, &iter, &h)) {
		if (!dlq_header_added(&h))
			continue;
		for (i = 0; i < DLQ_FIELDS; i++) {
			if (bytes_are(h.name + PREFIX_LEN, h.name_len - PREFIX_LEN,
				      field_names[i], strlen(field_names[i])))
				l->field[i] = h;
		}
	}
}

__u64 dlq_letter_number(const struct dlq_letter *l, enum dlq_field field)
{
	const struct mqbus_header_view *h = &l->field[field];
	const char *s = h->value;
	__u64 v = 0;
	int i;

	for (i = 0; i < h->value_len && s[i] >= '0' && s[i] <= '9'; i++)
		v = 10 * v + (s[i] - '0');
	return v;
}

bool dlq_letter_dead(const struct dlq_letter *l)
{
	size_t i = 0;

	while (i < DLQ_FIELDS && !l->field[i].name)
		i++;
	return i < DLQ_FIELDS;
}

/* Any header of that name matches, and the name may omit the prefix. */
static bool header_matches(const struct mqbus_record *r, const struct dlq_match *match)
{
	struct mqbus_header_view h;
	__u32 iter = 0;

	while (mqbus_record_header(r, &iter, &h)) {
		if (!bytes_are(h.value, h.value_len, match->value, strlen(match->value)))
			continue;
		if (bytes_are(h.name, h.name_len, match->name, match->name_len))
			return true;
		if (dlq_header_added(&h) &&
		    bytes_are(h.name + PREFIX_LEN, h.name_len - PREFIX_LEN, match->name,
			      match->name_len))
			return true;
	}
	return false;
}

bool dlq_letter_matches(const struct dlq_letter *l, const struct dlq_match *match, size_t n)
{
	const void *part;
	bool same;
	size_t len;

	for (; n; match++, n--) {
		if (bytes_are(match->name, match->name_len, "key", 3)) {
			part = mqbus_record_key(l->record, &len);
			same = bytes_are(part, len, match->value, strlen(match->value));
		} else if (bytes_are(match->name, match->name_len, "routing-key", 11)) {
			part = mqbus_record_routing_key(l->record, &len);
			same = bytes_are(part, len, match->value, strlen(match->value));
		} else {
			same = header_matches(l->record, match);
		}
		if (!same)
			return false;
	}
	return true;
}
