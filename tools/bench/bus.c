// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "bench.h"
#include "mqbus.h"

int bench_bus_error(const struct bench *b, enum error_action action, int err)
{
	struct error_subject subject = {
		.action = action,
		.topic = b->topic,
		.bytes = action == DO_TOPIC_CREATE ? b->ring : b->size,
	};

	return error_report(&subject, err);
}

static const char *group_name(char buf[16], __u32 index)
{
	snprintf(buf, 16, "c%u", index);
	return buf;
}

int bench_bus_topic(struct bench *b)
{
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	int ret;

	config.size = b->ring;
	config.max_record = b->size;
	ret = mqbus_topic_create(b->topic, &config);
	if (ret) {
		bench_bus_error(b, DO_TOPIC_CREATE, ret);
		/* The topic is not ours, so it must not be deleted */
		b->topic[0] = '\0';
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static int bus_setup(struct bench *b)
{
	char group[16];
	__u32 i;
	int ret;

	ret = bench_bus_topic(b);
	if (ret)
		return ret;
	for (i = 0; i < b->consumers; i++) {
		ret = mqbus_group_create(b->topic, group_name(group, i), MQBUS_WHENCE_EARLIEST,
					 0, 0600);
		if (ret)
			return bench_bus_error(b, DO_GROUP_CREATE, ret);
	}
	return STATUS_OK;
}

void bench_bus_teardown(struct bench *b)
{
	int ret;

	if (!*b->topic)
		return;
	ret = mqbus_topic_delete(b->topic);
	if (ret)
		bench_bus_error(b, DO_TOPIC_DELETE, ret);
}

static int publish_all(struct mqbus_producer *p, const struct mqbus_msg *msgs, __u32 n)
{
	int ret;

	while (n) {
		ret = mqbus_producer_publish(p, msgs, n, NULL, -1, NULL);
		if (ret < 0)
			return ret;
		msgs += ret;
		n -= ret;
	}
	return 0;
}

int bench_bus_produce(struct bench *b)
{
	struct bench_pattern pattern = BENCH_PATTERN_INIT;
	size_t stride = (b->size + 7UL) & ~7UL;
	struct mqbus_msg *msgs;
	struct mqbus_producer *p;
	__u64 left = b->msgs;
	__u32 i, n;
	char *data, *at;
	int ret;

	ret = mqbus_producer_open(&p, b->topic);
	if (ret)
		return bench_bus_error(b, DO_PRODUCE, ret);
	data = calloc(b->batch, stride);
	msgs = calloc(b->batch, sizeof(*msgs));
	if (!data || !msgs)
		return bench_fail("%s", strerror(ENOMEM));
	for (i = 0; i < b->batch; i++)
		msgs[i] = mqbus_msg_make(NULL, 0, data + i * stride, b->size);
	bench_ready(b);
	while (left) {
		n = left < b->batch ? left : b->batch;
		for (i = 0, at = data; i < n; i++, at += stride)
			bench_fill(&pattern, at, b->size);
		ret = publish_all(p, msgs, n);
		if (ret)
			return bench_bus_error(b, DO_PUBLISH, ret);
		left -= n;
	}
	mqbus_producer_close(p);
	return STATUS_OK;
}

/*
 * Everything in one fetch; returns how many. Any wrong length, content or order
 * is left in the pattern.
 */
static __u64 check_fetched(const struct bench *b, struct mqbus_consumer *c,
			   struct bench_pattern *pattern)
{
	const struct mqbus_record *r;
	struct bench_pattern s = *pattern;
	__u32 size = b->size, wrong = 0;
	__u64 n = 0;

	while ((r = mqbus_consumer_next(c, NULL))) {
		wrong |= r->value_len ^ size;
		bench_check(&s, r + 1, size);
		n++;
	}
	s.diff[0] |= wrong;
	*pattern = s;
	return n;
}

static int bus_consume(struct bench *b, __u32 index)
{
	struct bench_pattern pattern = BENCH_PATTERN_INIT;
	struct mqbus_consumer *c;
	__u64 got = 0, n;
	char group[16];
	int ret;

	ret = mqbus_consumer_open(&c, b->topic, group_name(group, index));
	if (ret)
		return bench_bus_error(b, DO_JOIN, ret);
	bench_ready(b);
	while (got < b->msgs) {
		ret = mqbus_consumer_fetch(c, MQBUS_CONSUMER_COMMIT, -1);
		if (ret < 0)
			return bench_bus_error(b, DO_FETCH, ret);
		n = check_fetched(b, c, &pattern);
		if (bench_pattern_failed(&pattern))
			return bench_fail("consumer %u: wrong content or order after message %llu",
					  index, got);
		got += n;
	}
	bench_finished(b, index);
	ret = mqbus_consumer_fetch(c, MQBUS_CONSUMER_COMMIT, 0);
	if (got != b->msgs || ret != -EAGAIN)
		return bench_fail("consumer %u: more than the %llu messages published", index,
				  b->msgs);
	mqbus_consumer_close(c);
	return STATUS_OK;
}

const struct bench_carrier bench_bus = {
	.name = "mqbus",
	.setup = bus_setup,
	.produce = bench_bus_produce,
	.consume = bus_consume,
	.teardown = bench_bus_teardown,
};
