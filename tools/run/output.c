// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/forward.h"
#include "run.h"

/* Of a transaction, besides the settlement */
#define RECORDS_MAX (MQBUS_TRANSACT_MAX - 1)
/* How long to wait for room at a time: a stop is noticed after that */
#define WAIT_SLICE 1000000000LL

/**
 * struct run_output - output of a command, to be published
 * @run: the options
 * @producer: where to
 * @pipe: read end of its stdout; -1: no more output
 * @over: it printed more than fits into a transaction
 * @key_len: bytes of @key
 * @key: of the record that it works on
 * @len: bytes of @bytes
 * @bytes: its output
 * @msgs: the same as records
 */
struct run_output {
	struct run *run;
	struct mqbus_producer *producer;
	int pipe;
	bool over;
	__u16 key_len;
	char key[MQBUS_KEY_MAX];
	size_t len;
	char bytes[MQBUS_TRANSACT_BYTES + 1];
	struct mqbus_msg msgs[RECORDS_MAX];
};

int run_output_open(struct run_output **out, struct run *run)
{
	struct error_subject subject = { .action = DO_PRODUCE, .topic = run->to };
	struct run_output *o;
	int ret;

	*out = NULL;
	if (!run->to)
		return STATUS_OK;
	o = calloc(1, sizeof(*o));
	if (!o)
		return error_say(&run->subject, "%s", strerror(ENOMEM));
	ret = mqbus_producer_open(&o->producer, run->to);
	if (ret) {
		free(o);
		return error_report(&subject, ret);
	}
	o->run = run;
	o->pipe = -1;
	*out = o;
	return STATUS_OK;
}

void run_output_close(struct run_output *o)
{
	if (!o)
		return;
	mqbus_producer_close(o->producer);
	free(o);
}

int run_output_begin(struct run_output *o, const struct mqbus_record *record)
{
	const void *key;
	int ends[2];
	size_t len;

	o->len = 0;
	o->over = false;
	/* Copied, since it is needed after the lease may have ended */
	key = mqbus_record_key(record, &len);
	o->key_len = len;
	memcpy(o->key, key, len);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	o->pipe = ends[0];
	return ends[1];
}

int run_output_fd(const struct run_output *o)
{
	return o ? o->pipe : -1;
}

/* No more is read, so it cannot print more, either. */
static void output_end(struct run_output *o)
{
	close(o->pipe);
	o->pipe = -1;
}

bool run_output_read(struct run_output *o)
{
	ssize_t n = 1;

	while (o->pipe >= 0 && o->len < sizeof(o->bytes)) {
		n = read(o->pipe, o->bytes + o->len, sizeof(o->bytes) - o->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			output_end(o);
		else
			o->len += n;
	}
	if (o->len < sizeof(o->bytes))
		return true;
	o->over = true;
	if (o->pipe >= 0)
		output_end(o);
	return false;
}

void run_output_finish(struct run_output *o)
{
	/* A process that it left behind may keep the pipe open for ever: take the output so far */
	run_output_read(o);
	if (o->pipe >= 0)
		output_end(o);
}

/* Split the output into records; returns their number, or -EMSGSIZE. */
static int output_messages(struct run_output *o)
{
	const char *line = o->bytes, *end = o->bytes + o->len, *newline;
	int n = 0;

	while (line < end) {
		newline = o->run->raw ? NULL : memchr(line, '\n', end - line);
		if (!newline)
			newline = end;
		if (n == RECORDS_MAX)
			return -EMSGSIZE;
		o->msgs[n++] = mqbus_msg_make(o->key, o->key_len, line, newline - line);
		line = newline + 1;
	}
	return n;
}

/**
 * struct waiting - a record whose results wait for room
 * @o: the results
 * @member: that holds the record
 * @lease: of the record
 * @outcome: its outcome, if it waits no more
 */
struct waiting {
	const struct run_output *o;
	struct mqbus_worker *member;
	const struct mqbus_leased *lease;
	enum run_outcome *outcome;
};

/* While there is no room: keep the lease. Returns whether to go on waiting. */
static bool keep_waiting(void *of)
{
	const struct waiting *w = of;
	const struct run *run = w->o->run;
	int ret;

	if (run_stop(run) == RUN_AT_ONCE) {
		*w->outcome = RUN_RELEASED;
		return false;
	}
	if (!run->lease)
		return true;
	ret = mqbus_worker_settle_one(w->member, w->lease, MQBUS_EXTEND, run->lease);
	if (ret != -ETIMEDOUT && ret != -ESTALE)
		return true;
	*w->outcome = RUN_LOST;
	return false;
}

/* Report why the topic does not take the records. */
static int output_failed(struct run_output *o, const struct mqbus_leased *lease, int err,
			 enum run_outcome *outcome)
{
	struct error_subject subject = {
		.action = DO_PUBLISH,
		.topic = o->run->to,
		.limit = mqbus_producer_geometry(o->producer)->max_record,
	};

	switch (err) {
	case -EMSGSIZE:
		*outcome = RUN_NACKED;
		error_say(&o->run->subject,
			  "%u/%llu: the command's output is not published, and the record nacked: up to %u records of up to %llu bytes, %u bytes together and half a ring of '%s' (--to, --raw; topic create --max-record)",
			  lease->partition, (__u64)lease->offset, RECORDS_MAX, subject.limit,
			  MQBUS_TRANSACT_BYTES, o->run->to);
		return STATUS_OK;
	case -ENOBUFS:
	case -EXFULL:
		/* The record has not failed: release it */
		*outcome = RUN_RELEASED;
		error_report(&subject, err);
		return STATUS_OK;
	}
	*outcome = RUN_RELEASED;
	return error_report(&subject, err);
}

int run_output_settle(struct run_output *o, struct mqbus_worker *member,
		      const struct mqbus_leased *lease, enum run_outcome *outcome, bool *settled)
{
	struct waiting waiting = { o, member, lease, outcome };
	struct forward f = {
		.producer = o->producer,
		.msgs = o->msgs,
		.worker = member,
		.lease = lease,
		.slice = o->run->lease / 2,
		.wait = keep_waiting,
		.of = &waiting,
	};
	bool settling;
	int n, ret;

	*settled = false;
	n = o->over ? -EMSGSIZE : output_messages(o);
	if (n < 0)
		return output_failed(o, lease, n, outcome);
	if (!n)
		return STATUS_OK;
	f.n = n;
	if (!f.slice || f.slice > WAIT_SLICE)
		f.slice = WAIT_SLICE;
	ret = forward(&f, &settling);
	*settled = !ret;
	/*
	 * A lease that ended is reported as without --to, and the outcome
	 * of a record that waits no more was reported already
	 */
	if (!ret || settling || ret == -ETIMEDOUT || ret == -EINTR)
		return STATUS_OK;
	return output_failed(o, lease, ret, outcome);
}
