// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqbus_admin.h"
#include "wait.h"

int pub_wait_add(struct pub_wait *w, const char *group)
{
	if (w->nr_groups == PUB_WAIT_MAX)
		return cmd_usage_error("--wait-for: up to %d groups", PUB_WAIT_MAX);
	w->groups[w->nr_groups++] = group;
	return STATUS_OK;
}

static int wait_report(const struct error_subject *subject, const char *group, int err)
{
	struct error_subject of_group = *subject;

	of_group.action = DO_WAIT;
	of_group.group = group;
	of_group.where = NULL;
	return error_report(&of_group, err);
}

int pub_wait_begin(struct pub_wait *w, const struct error_subject *subject, __u32 partitions)
{
	__u32 i;
	int ret;

	for (i = 0; i < w->nr_groups; i++) {
		ret = mqbus_wait(subject->topic, w->groups[i], NULL, 0, 0);
		if (ret && ret != -EAGAIN)
			return wait_report(subject, w->groups[i], ret);
	}
	if (!w->nr_groups)
		return STATUS_OK;
	w->ends = calloc(partitions, sizeof(*w->ends));
	if (!w->ends)
		return error_say(subject, "%s", strerror(ENOMEM));
	return STATUS_OK;
}

void pub_wait_note(struct pub_wait *w, const struct mqbus_place *places, __u32 n)
{
	__u32 i, end;

	for (i = 0; i < n; i++) {
		/* A duplicate, whose place is unknown */
		if (places[i].partition == MQBUS_ANY)
			continue;
		for (end = 0; end < w->nr_ends; end++) {
			if (w->ends[end].partition == places[i].partition)
				break;
		}
		w->ends[end] = places[i];
		w->nr_ends += end == w->nr_ends;
	}
}

/*
 * What is stored now is what to wait for. A wait for all that a signal ends, or the one for the
 * next group, would take the end of the topic anew. Returns whether it is known.
 */
static bool wait_note_all(struct pub_wait *w, const char *topic)
{
	struct mqbus_admin_partition *partitions;
	size_t i, n;

	/* Without permission to list it, the kernel takes the end for each call */
	if (mqbus_admin_partition_list(topic, &partitions, &n))
		return false;
	w->ends = reallocarray(w->ends, n + 1, sizeof(*w->ends));
	if (!w->ends)
		abort();
	w->nr_ends = 0;
	for (i = 0; i < n; i++) {
		if (partitions[i].next_offset)
			w->ends[w->nr_ends++] = (struct mqbus_place){
				.partition = partitions[i].index,
				.offset = partitions[i].next_offset - 1,
			};
	}
	free(partitions);
	return true;
}

int pub_wait(struct pub_wait *w, const struct error_subject *subject, bool all,
	     __s64 timeout)
{
	__u64 start = cmd_now(), past;
	__u32 i, n;
	int ret;

	if (all)
		all = !wait_note_all(w, subject->topic);
	n = all ? 0 : w->nr_ends;
	if (!all && !n)
		return STATUS_OK;
	for (i = 0; i < w->nr_groups; i++) {
		do {
			past = cmd_now() - start;
			ret = mqbus_wait(subject->topic, w->groups[i], n ? w->ends : NULL, n,
					 timeout < 0 ? -1 : timeout > (__s64)past ?
					 timeout - (__s64)past : 0);
		} while (ret == -EINTR && !cmd_signal());
		if (ret == -EINTR)
			return STATUS_SIGNAL + cmd_signal();
		/* A timeout before the call is a timeout, too */
		if (ret == -EAGAIN && timeout)
			ret = -ETIMEDOUT;
		if (ret)
			return wait_report(subject, w->groups[i], ret);
	}
	return STATUS_OK;
}

void pub_wait_end(struct pub_wait *w)
{
	free(w->ends);
}
