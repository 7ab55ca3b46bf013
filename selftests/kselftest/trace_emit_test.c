// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each exists, with its name and its fields, and reports what was done.
 */
#include <sys/mount.h>

#include "queue.h"

#define TRACING	"/sys/kernel/tracing"

static int trace_write(const char *file, const char *text)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), TRACING "/instances/mqbus/%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Count the trace's lines with the event, and those that also have the text */
static void trace_count(const char *event, const char *text, int *events, int *texts)
{
	char line[1024], name[64];
	FILE *f = fopen(TRACING "/instances/mqbus/trace", "re");

	*events = 0;
	*texts = 0;
	snprintf(name, sizeof(name), " %s: ", event);
	while (f && fgets(line, sizeof(line), f)) {
		const char *found = strstr(line, name);

		if (!found)
			continue;
		++*events;
		*texts += !!strstr(found, text);
	}
	if (f)
		fclose(f);
}

/* @n lines of an event, all with a text */
#define expect_trace(n, event, text) do {					\
	int _events, _texts;							\
										\
	trace_count(event, text, &_events, &_texts);				\
	EXPECT_EQ(n, _events)							\
		TH_LOG("%s", event);						\
	EXPECT_EQ(n, _texts)							\
		TH_LOG("%s: %s", event, text);					\
} while (0)

TEST_F(queue, traced)
{
	struct mqbus_leased l[4];
	struct mqbus_range range;
	int member;
	__u64 v = 9;

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/events/mqbus", F_OK))
		SKIP(return, "this kernel has no tracepoints");
	mkdir(TRACING "/instances/mqbus", 0700);
	ASSERT_EQ(0, trace_write("events/mqbus/enable", "1"));

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin_dlq(self, .max_attempts = 2);
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(4, take(self->worker[0].fd, l, 4, 0));
	ASSERT_EQ(0, ack(&self->worker[0], &l[0]));
	ASSERT_EQ(0, nack(&self->worker[0], &l[1]));
	ASSERT_EQ(0, reject(&self->worker[0], &l[2]));
	worker_close(&self->worker[0]);
	expect_trace(5, "publish", "bytes=72 producer=");
	expect_trace(4, "deliver", "partition=0 offset=");
	expect_trace(1, "dead_letter", "partition=0 offset=2 dlq=dead.");
	expect_trace(2, "retry", "failures=1 reason=");
	expect_trace(3, "settle", "group=g partition=0 offset=");

	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "stream"));
	member = mq_member(self->topic, "stream", 0);
	expect_trace(1, "rebalance", "group=stream generation=1 moved=1");
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	expect_trace(4 + 1, "deliver", " count=");
	expect_trace(3 + 1, "settle", " what=");
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
	put_numbers(self->fd, 5, 61);
	expect_trace(5, "evict", "count=1 unsettled=0");
	ASSERT_EQ(-ETIMEDOUT, mq_put(self->fd, &v, sizeof(v), MQ_MS));
	expect_trace(1, "block", "partition=0 reason=full bytes=72");
	expect_trace(1, "unblock", "error=-110");
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	put_numbers(self->fd, 61, 62);
	expect_trace(62, "publish", "seq=");

	/* Off again */
	ASSERT_EQ(0, trace_write("events/mqbus/enable", "0"));
	put_numbers(self->fd, 62, 63);
	expect_trace(62, "publish", "seq=");
	close(member);
	EXPECT_EQ(0, rmdir(TRACING "/instances/mqbus"));
}

TEST_HARNESS_MAIN
