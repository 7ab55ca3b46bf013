// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/forward.h"
#include "dlq.h"

/**
 * struct dlq_target - a topic that letters are published to
 * @next: another one
 * @topic: its name
 * @producer: or NULL if it cannot be opened
 */
struct dlq_target {
	struct dlq_target *next;
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_producer *producer;
};

/* The target of that name, opened on first use; a failure is reported once. */
static struct dlq_target *target_get(struct dlq *d, const char *topic)
{
	struct error_subject subject = { .action = DO_PRODUCE, .topic = topic };
	struct dlq_target *t;
	int ret;

	for (t = d->targets; t; t = t->next) {
		if (!strcmp(t->topic, topic))
			return t;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	snprintf(t->topic, sizeof(t->topic), "%s", topic);
	t->next = d->targets;
	d->targets = t;
	ret = mqbus_producer_open(&t->producer, topic);
	if (ret) {
		t->producer = NULL;
		subject.where = "letters stay where they are (--to)";
		d->status = error_report(&subject, ret);
	}
	return t;
}

/* The destination of a letter, into @topic; false without a verified origin. */
static bool destination(struct dlq *d, const struct dlq_letter *l, char topic[MQBUS_NAME_SIZE])
{
	if (d->to) {
		snprintf(topic, MQBUS_NAME_SIZE, "%s", d->to);
		return true;
	}
	if (!dlq_origin_topic(l, topic))
		d->status = error_say(&d->subject,
				      "letter %u/%llu does not say where it came from (--to)",
				      l->lease->partition, (__u64)l->lease->offset);
	else if (dlq_origin_verified(d, l))
		return true;
	else if (!d->forged++)
		d->status = error_say(&d->subject,
				      "letter %u/%llu says that it came from '%s', but no group of that topic has written it: any producer may have (--to)",
				      l->lease->partition, (__u64)l->lease->offset, topic);
	return false;
}

/* The record as it was published, except its place. */
static void message(const struct dlq_letter *l, char headers[MQBUS_HEADERS_MAX],
		    struct mqbus_msg *msg)
{
	const struct mqbus_record *r = l->record;
	struct mqbus_header_view h;
	__u32 iter = 0, used = 0;
	size_t len;

	*msg = mqbus_msg_make(mqbus_record_key(r, &len), r->key_len, r + 1, r->value_len);
	msg->routing_key = (__u64)(uintptr_t)mqbus_record_routing_key(r, &len);
	msg->routing_key_len = len;
	msg->schema = r->schema;
	while (mqbus_record_header(r, &iter, &h)) {
		/* The remaining headers were published once, so they fit */
		if (!dlq_header_added(&h))
			mqbus_header_add(headers, MQBUS_HEADERS_MAX, &used, h.name, h.name_len,
					 h.value, h.value_len);
	}
	msg->headers = (__u64)(uintptr_t)headers;
	msg->headers_len = used;
}

/* Wait for the rate; false after a signal. */
static bool wait_turn(struct dlq *d)
{
	__u64 now = cmd_now();
	struct timespec ts;

	if (!d->rate)
		return !cmd_signal();
	while (now < d->next && !cmd_signal()) {
		ts.tv_sec = (d->next - now) / 1000000000;
		ts.tv_nsec = (d->next - now) % 1000000000;
		nanosleep(&ts, NULL);
		now = cmd_now();
	}
	d->next = (d->next > now - 1000000000 ? d->next : now) + 1e9 / d->rate;
	return !cmd_signal();
}

/* Print why the letter stays. */
static enum dlq_verdict keep_letter(struct dlq *d, const struct dlq_target *t,
				    const struct dlq_letter *l, const struct mqbus_msg *msg,
				    bool settling, int err)
{
	struct error_subject subject = { .action = DO_PUBLISH, .topic = t->topic };
	char where[64];

	snprintf(where, sizeof(where), "letter %u/%llu stays where it is", l->lease->partition,
		 (__u64)l->lease->offset);
	if (settling) {
		subject = d->subject;
		subject.action = DO_SETTLE;
	}
	subject.where = where;
	subject.bytes = (__u64)msg->value_len + msg->headers_len + msg->key_len +
			msg->routing_key_len;
	subject.limit = mqbus_producer_geometry(t->producer)->max_record;
	d->status = error_report(&subject, err);
	return DLQ_KEEP;
}

static bool no_signal(void *of)
{
	(void)of;
	return !cmd_signal();
}

static enum dlq_verdict publish(struct dlq *d, struct dlq_target *t, const struct dlq_letter *l)
{
	char headers[MQBUS_HEADERS_MAX];
	struct mqbus_msg msg;
	const struct forward f = {
		.producer = t->producer,
		.msgs = &msg,
		.n = 1,
		.worker = d->worker,
		.lease = l->lease,
		.slice = -1,
		.wait = no_signal,
	};
	bool settling;
	int ret;

	message(l, headers, &msg);
	ret = forward(&f, &settling);
	if (!ret)
		return DLQ_SETTLED;
	if (ret == -EINTR) {
		d->status = STATUS_SIGNAL + cmd_signal();
		return DLQ_STOP;
	}
	return keep_letter(d, t, l, &msg, settling, ret);
}

static enum dlq_verdict redrive_one(struct dlq *d, const struct dlq_letter *l)
{
	char topic[MQBUS_NAME_SIZE];
	struct dlq_target *t;

	if (!destination(d, l, topic))
		return DLQ_KEEP;
	if (d->dry_run) {
		d->would++;
		dlq_table_add(d, l);
		return DLQ_KEEP;
	}
	t = target_get(d, topic);
	if (!t->producer)
		return DLQ_KEEP;
	if (!wait_turn(d)) {
		d->status = STATUS_SIGNAL + cmd_signal();
		return DLQ_STOP;
	}
	return publish(d, t, l);
}

int dlq_redrive(struct dlq *d)
{
	struct dlq_target *t;
	int ret, told;

	d->take = redrive_one;
	ret = dlq_sweep(d);
	while ((t = d->targets)) {
		d->targets = t->next;
		mqbus_producer_close(t->producer);
		free(t);
	}
	if (d->forged > 1)
		error_say(&d->subject, "%llu letters in all stay for that reason (dlq list)",
			  d->forged);
	told = dlq_tell(d, "redriven");
	return ret ? ret : told;
}
