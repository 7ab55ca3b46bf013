// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "escape.h"
#include "holder.h"
#include "output.h"

bool holder_full(const struct mqbus_admin_topic *t)
{
	const struct mqbus_admin_holder *h = &t->holder;

	if (!h->known || !t->records)
		return false;
	return h->wanted || h->bytes + t->used / t->records > t->ring_size;
}

/* What a group with members does with the records, and where to look */
static void tell_busy(const struct mqbus_admin_holder *h, const struct mqbus_admin_group *g,
		      struct text *out)
{
	char time[32];

	if (g->type != MQBUS_GROUP_QUEUE)
		escape_printf(out, ", the oldest stored %s ago", output_time(time, h->age));
	else if (g->queue.dlq_blocked)
		escape_printf(out,
			      ", as topic '%s' has no room for its dead letters (mqbus topic show %s)",
			      g->queue.dlq, g->queue.dlq);
	else if (g->queue.leased)
		escape_printf(out, ", %u leased, the oldest for %s", g->queue.leased,
			      output_time(time, g->queue.oldest_inflight));
	else
		escape_printf(out, ", none of them leased");
	escape_printf(out,
		      "; add members, or see which one is stuck: mqbus group members %s %s",
		      g->topic, g->name);
}

static void tell_group(const struct mqbus_admin_topic *t, const struct mqbus_admin_group *g,
		       struct text *out)
{
	const struct mqbus_admin_holder *h = &t->holder;

	escape_printf(out, "group '%s' (", h->group);
	if (!g->members)
		escape_printf(out, "no members");
	else
		escape_printf(out, "%u member%s", g->members, g->members == 1 ? "" : "s");
	escape_printf(out, "%s) holds %llu record%s", g->paused ? ", paused" : "", h->records,
		      h->records == 1 ? "" : "s");
	if (t->partitions > 1)
		escape_printf(out, " of partition %u, %llu in all", h->partition, h->all_records);
	if (g->paused)
		escape_printf(out, "; hand them out again: mqbus group resume %s %s", t->name,
			      h->group);
	else if (g->members)
		tell_busy(h, g, out);
	else
		escape_printf(out, "; read them, or: mqbus group delete %s %s", t->name, h->group);
}

void holder_tell(const struct mqbus_admin_topic *t, struct text *out)
{
	const struct mqbus_admin_holder *h = &t->holder;
	struct mqbus_admin_group *groups = NULL;
	size_t n = 0;

	if (!h->known) {
		escape_printf(out, "it waits for no group that this user may see (topic show)");
	} else if (!*h->group) {
		escape_printf(out, "it has no group that reads it: mqbus group create %s GROUP",
			      t->name);
	} else if (!mqbus_admin_group_list(t->name, h->group, &groups, &n) && n) {
		tell_group(t, groups, out);
	} else {
		escape_printf(out, "group '%s', which is gone now, held %llu records", h->group,
			      h->records);
	}
	free(groups);
}

void holder_tell_why(const char *topic, int why, struct text *out)
{
	struct mqbus_admin_topic t = { 0 };

	/* Without permission to see it, it has no holder */
	if (mqbus_admin_topic_get(topic, &t))
		snprintf(t.name, sizeof(t.name), "%s", topic);
	switch (why) {
	case MQBUS_WHY_RATE:
		escape_printf(out,
			      "a rate of the topic is used up (topic show; topic set %s --rate, --user-rate)",
			      topic);
		return;
	case MQBUS_WHY_SHARE:
		escape_printf(out,
			      "user %u has its share of the topic (topic set %s --share) until its records are settled: ",
			      getuid(), topic);
		break;
	case MQBUS_WHY_TURN:
		escape_printf(out,
			      "the topic is full but for some room, which is for producers that came before: ");
		break;
	default:
		escape_printf(out, "the topic is full: ");
	}
	holder_tell(&t, out);
}
