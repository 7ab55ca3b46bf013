// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "sub.h"

/**
 * struct stream - a member of a stream group
 * @sub: what was asked for
 * @consumer: the member
 * @lost: lost records reported so far
 * @wanted: the last fetch reported a revoked partition
 */
struct stream {
	struct sub *sub;
	struct mqbus_consumer *consumer;
	__u64 lost;
	bool wanted;
};

/* Join a group of this process's own, which holds no records and goes with it. */
static int stream_look(struct stream *s)
{
	struct mqbus_group_create args = {
		.flags = MQBUS_GROUP_F_OBSERVER | MQBUS_GROUP_F_EPHEMERAL, .mode = 0600,
		.whence = s->sub->place.whence, .value = s->sub->place.value,
	};
	struct sub *sub = s->sub;
	const char *topic = sub->subject.topic;
	char group[MQBUS_NAME_SIZE];
	int ret;

	snprintf(group, sizeof(group), "sub-%d-%llx", getpid(), cmd_now());
	ret = mqbus_group_make(topic, group, &args);
	if (ret)
		return sub_report(sub, DO_GROUP_CREATE, ret);
	ret = mqbus_consumer_open(&s->consumer, topic, group);
	return ret ? sub_report(sub, DO_JOIN, ret) : STATUS_OK;
}

/* Join the group, making it first if it is not there. */
static int stream_join(struct stream *s)
{
	struct sub *sub = s->sub;
	const char *topic = sub->subject.topic;
	const char *group = sub->subject.group;
	int ret;

	if (!group)
		return stream_look(s);
	ret = mqbus_consumer_open_as(&s->consumer, topic, group, sub->member);
	if (!ret)
		sub_joined(sub);
	if (ret != -ENOENT || sub->no_create)
		return ret ? sub_report(sub, DO_JOIN, ret) : STATUS_OK;
	ret = mqbus_group_create(topic, group, sub->place.whence, sub->place.value,
				 parse_default_mode());
	/* Another reader may have been quicker */
	if (ret && ret != -EEXIST)
		return sub_report(sub, DO_GROUP_CREATE, ret);
	sub_tell_made(sub);
	ret = mqbus_consumer_open_as(&s->consumer, topic, group, sub->member);
	return ret ? sub_report(sub, DO_JOIN, ret) : STATUS_OK;
}

static void stream_tell_lost(struct stream *s)
{
	__u64 lost = mqbus_consumer_lost(s->consumer);

	if (lost != s->lost && !s->sub->quiet)
		error_say(&s->sub->subject, "%llu records lost: evicted before they were read",
			  lost - s->lost);
	s->lost = lost;
}

/* Whether a partition is revoked, and another member waits for it. */
static bool stream_is_wanted(const struct stream *s)
{
	struct pollfd fd = { .fd = mqbus_consumer_fd(s->consumer), .events = POLLPRI };

	return s->wanted || (poll(&fd, 1, 0) > 0 && fd.revents & POLLPRI);
}

/* A range has reported it, so poll() does not any more. */
static void stream_note_wanted(struct stream *s)
{
	const struct mqbus_range *ranges;
	unsigned int i, n;

	ranges = mqbus_consumer_ranges(s->consumer, &n);
	s->wanted = false;
	for (i = 0; i < n; i++)
		s->wanted = s->wanted || ranges[i].flags & MQBUS_RANGE_F_REVOKED;
}

/*
 * Write first, then commit: a record may be seen twice, but not lost. If others wait,
 * they get the records not printed yet.
 */
static int stream_flush(struct stream *s)
{
	int ret;

	ret = sub_write(s->sub, "not committed");
	if (ret)
		return ret;
	if (stream_is_wanted(s))
		ret = mqbus_consumer_release(s->consumer);
	else
		ret = mqbus_consumer_commit(s->consumer);
	s->wanted = false;
	/* Others read them again; here the next fetch goes on */
	if (ret == -ENOLINK || ret == -ESTALE) {
		if (!s->sub->quiet)
			sub_report(s->sub, DO_COMMIT, ret);
		ret = 0;
	}
	if (ret)
		return sub_report(s->sub, DO_COMMIT, ret);
	stream_tell_lost(s);
	return STATUS_OK;
}

/* Print the records of the last fetch. */
static int stream_drain(struct stream *s)
{
	struct format_source from = { .topic = s->sub->subject.topic };
	const struct mqbus_record *r;
	int ret;

	while (s->sub->left) {
		r = mqbus_consumer_next(s->consumer, &from.partition);
		if (!r)
			break;
		sub_print(s->sub, &from, r);
		s->sub->left--;
		if (s->sub->out.len < SUB_OUTPUT_SIZE)
			continue;
		ret = stream_flush(s);
		if (ret)
			return ret;
	}
	return stream_flush(s);
}

static int stream_run(struct stream *s)
{
	struct sub *sub = s->sub;
	int ret;

	while (sub->left) {
		if (cmd_signal())
			return STATUS_SIGNAL + cmd_signal();
		ret = mqbus_consumer_fetch(s->consumer, 0, sub->exit ? 0 : sub->timeout);
		if (ret < 0) {
			ret = sub_wait_failed(sub, DO_FETCH, ret);
			if (ret >= 0)
				return ret;
			continue;
		}
		stream_note_wanted(s);
		ret = stream_drain(s);
		if (ret)
			return ret;
	}
	return STATUS_OK;
}

int sub_stream(struct sub *sub)
{
	struct stream s = { .sub = sub };
	int ret;

	ret = stream_join(&s);
	if (ret)
		return ret;
	ret = stream_run(&s);
	stream_tell_lost(&s);
	if (s.lost && !sub->quiet)
		error_say(&sub->subject, "%llu records lost in all", s.lost);
	mqbus_consumer_close(s.consumer);
	return ret;
}
