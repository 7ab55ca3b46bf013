// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/input.h"
#include "common/names.h"
#include "sub.h"

#define LINE_MAX_BYTES 4096
#define DECISION_EXPECTED \
	"ack ID, nack ID [DELAY], release ID [DELAY], reject ID or extend ID [TIME]"

/**
 * struct manual - leases settled by stdin
 * @sub: what was asked for
 * @worker: the member
 * @leases: of the last batch
 * @in: stdin
 * @line: number of the last line taken from it
 * @held: records not settled yet
 * @empty: there were no records to lease
 * @since: when the last record came
 * @status: worst so far
 */
struct manual {
	struct sub *sub;
	struct mqbus_worker *worker;
	struct mqbus_leased *leases;
	struct input in;
	__u64 line;
	__u32 held;
	bool empty;
	__u64 since;
	int status;
};

static __u32 manual_room(const struct manual *m)
{
	__u32 room = m->sub->batch - m->held;

	return m->sub->left < room ? m->sub->left : room;
}

/* Take the records that are there; returns -1 to go on, else the exit status. */
static int manual_lease(struct manual *m)
{
	struct format_source from = { .topic = m->sub->subject.topic };
	const struct mqbus_record *r;
	int i, n, ret;

	n = mqbus_worker_turn(m->worker, 0, NULL, 0, m->leases, manual_room(m), m->sub->lease,
			      0, NULL);
	m->empty = n == -EAGAIN;
	if (n == -EAGAIN || n == -EINTR)
		return -1;
	if (n < 0)
		return sub_report(m->sub, DO_LEASE, n);
	for (i = 0; i < n; i++) {
		r = mqbus_worker_record(m->worker, &m->leases[i]);
		if (!r)
			return sub_report(m->sub, DO_LEASE, -errno);
		from.partition = m->leases[i].partition;
		from.lease = &m->leases[i];
		sub_print(m->sub, &from, r);
	}
	m->held += n;
	m->sub->left -= n;
	m->since = cmd_now();
	ret = sub_write(m->sub, "released");
	return ret ? ret : -1;
}

/* Report an error about the current line. */
static void manual_say(struct manual *m, __u64 lease, int err)
{
	char where[64];

	m->status = STATUS_FAILED;
	if (lease)
		snprintf(where, sizeof(where), "line %llu of stdin: lease %llu", m->line, lease);
	else
		snprintf(where, sizeof(where), "line %llu of stdin", m->line);
	m->sub->subject.where = where;
	if (err)
		sub_report(m->sub, DO_SETTLE, err);
	else
		error_say(&m->sub->subject, "expected " DECISION_EXPECTED);
	m->sub->subject.where = NULL;
}

/* Parse a line; false if it is invalid. */
static bool manual_parse(char *line, struct mqbus_settle *settle)
{
	char *save = NULL;
	const char *word = strtok_r(line, " \t", &save);
	const char *id = strtok_r(NULL, " \t", &save);
	const char *delay = strtok_r(NULL, " \t", &save);
	__u64 v;

	if (!word || !id || strtok_r(NULL, " \t", &save))
		return false;
	if (names_settlement_parse(word, &settle->what) || parse_number(id, ~0ULL, &v))
		return false;
	settle->lease = v;
	if (!delay)
		return true;
	if (settle->what == MQBUS_ACK || settle->what == MQBUS_REJECT ||
	    parse_duration(delay, &v))
		return false;
	settle->delay = v;
	return true;
}

static void manual_settle(struct manual *m, char *line)
{
	struct mqbus_settle settle = { 0 };
	int ret;

	if (!manual_parse(line, &settle)) {
		manual_say(m, 0, 0);
		return;
	}
	if (settle.what == MQBUS_EXTEND && !settle.delay)
		settle.delay = m->sub->lease;
	ret = mqbus_worker_settle(m->worker, &settle, 1);
	if (ret < 0)
		manual_say(m, settle.lease, ret);
	/* A lease that ended by itself is not held any more either */
	if (ret >= 0 ? settle.what != MQBUS_EXTEND : ret == -ETIMEDOUT || ret == -ESTALE)
		m->held -= !!m->held;
}

/* Settle by lines of stdin; returns -1 to go on, else the exit status. */
static int manual_read(struct manual *m)
{
	char copy[LINE_MAX_BYTES + 1];
	char *line;
	size_t len;
	long n;

	n = input_fill(&m->in);
	if (n == -EINTR)
		return -1;
	if (n < 0 && n != -EMSGSIZE)
		return error_say(&m->sub->subject, "stdin: %s", strerror(-n));
	while (input_line(&m->in, &line, &len)) {
		m->line++;
		if (len > LINE_MAX_BYTES)
			len = 0;
		memcpy(copy, line, len);
		copy[len] = '\0';
		manual_settle(m, copy);
	}
	if (n == -EMSGSIZE)
		return error_say(&m->sub->subject, "stdin: a line is too long");
	return m->in.eof ? m->status : -1;
}

/* ms left to wait for a record; only while there is room for one. */
static int manual_patience(const struct manual *m)
{
	__u64 waited = cmd_now() - m->since;
	__u64 limit = m->sub->timeout;

	if (m->sub->timeout < 0 || !manual_room(m))
		return -1;
	if (waited >= limit)
		return 0;
	limit = (limit - waited + 999999) / 1000000;
	return limit < 1 << 30 ? limit : 1 << 30;
}

/* Wait for a record or a decision; returns -1 to go on, else the exit status. */
static int manual_wait(struct manual *m)
{
	struct pollfd fds[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = mqbus_worker_fd(m->worker), .events = manual_room(m) ? POLLIN : 0 },
	};
	int ret;

	ret = poll(fds, 2, manual_patience(m));
	if (ret < 0 && errno != EINTR)
		return error_say(&m->sub->subject, "poll: %s", strerror(errno));
	if (ret < 0)
		return -1;
	if (!ret && manual_patience(m) == 0)
		return sub_wait_failed(m->sub, DO_LEASE, -ETIMEDOUT);
	if (fds[0].revents) {
		ret = manual_read(m);
		if (ret >= 0)
			return ret;
	}
	if (fds[1].revents & (POLLHUP | POLLERR))
		return sub_report(m->sub, DO_LEASE, -EIDRM);
	return -1;
}

static int manual_run(struct manual *m)
{
	int ret;

	do {
		if (cmd_signal())
			return STATUS_SIGNAL + cmd_signal();
		ret = manual_room(m) ? manual_lease(m) : -1;
		if (ret >= 0)
			return ret;
		if (!m->held && m->sub->exit && m->empty)
			sub_tell_paused(m->sub);
		if (!m->held && (!m->sub->left || (m->sub->exit && m->empty)))
			return m->status;
		ret = manual_wait(m);
	} while (ret < 0);
	return ret;
}

int sub_manual(struct sub *sub, struct mqbus_worker *worker)
{
	struct manual m = { .sub = sub, .worker = worker, .since = cmd_now() };
	int ret;

	ret = input_open(&m.in, "-", LINE_MAX_BYTES);
	if (ret)
		return error_say(&sub->subject, "stdin: %s", strerror(-ret));
	m.leases = calloc(sub->batch, sizeof(*m.leases));
	if (!m.leases)
		abort();
	ret = manual_run(&m);
	free(m.leases);
	input_close(&m.in);
	return ret;
}
