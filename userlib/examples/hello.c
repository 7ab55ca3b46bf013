// SPDX-License-Identifier: LGPL-2.1-or-later
/* One topic, one record, one reader: cc hello.c $(pkg-config --cflags --libs libmqbus) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mqbus.h>

static int check(int ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
		exit(1);
	}
	return ret;
}

int main(void)
{
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	const char *topic = "hello", *group = "readers";
	const struct mqbus_record *record;
	struct mqbus_producer *producer;
	struct mqbus_consumer *consumer;
	struct mqbus_msg msg;
	const char *value;
	size_t len;

	check(mqbus_topic_create(topic, &config), "create the topic");
	check(mqbus_group_create(topic, group, MQBUS_WHENCE_EARLIEST, 0, 0600),
	      "create the group");

	check(mqbus_producer_open(&producer, topic), "open for publishing");
	msg = mqbus_msg_make("key", 3, "Hello, world", 12);
	check(mqbus_producer_publish(producer, &msg, 1, NULL, -1, NULL), "publish");
	mqbus_producer_close(producer);

	check(mqbus_consumer_open(&consumer, topic, group), "join the group");
	check(mqbus_consumer_fetch(consumer, 0, -1), "fetch");
	while ((record = mqbus_consumer_next(consumer, NULL))) {
		value = mqbus_record_value(record, &len);
		printf("offset %llu: %.*s\n", record->offset, (int)len, value);
	}
	check(mqbus_consumer_commit(consumer), "commit");
	mqbus_consumer_close(consumer);

	check(mqbus_topic_delete(topic), "delete the topic");
	return 0;
}
