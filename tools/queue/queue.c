// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "common/output.h"
#include "common/parse.h"
#include "common/queue_option.h"
#include "common/topic_option.h"
#include "mqbus_admin.h"

#define DLQ_SUFFIX ".dlq"

/**
 * struct work_queue - a work queue to create
 * @topic: name
 * @group: name of the queue group
 * @of_topic: its options
 * @options: of the queue group; its dlq is the name of the other topic, or ""
 * @quiet: do not print the result
 * @made_topic: it was created, and is deleted if a later step fails
 * @made_dlq: likewise the topic for dead letters
 */
struct work_queue {
	const char *topic;
	const char *group;
	struct topic_options of_topic;
	struct queue_options options;
	bool quiet;
	bool made_topic;
	bool made_dlq;
};

/* Large enough for the largest record with the headers of a dead letter. */
static void dlq_config(const struct work_queue *w, struct mqbus_topic_config *config)
{
	__u64 need = topic_option_max_record(&w->of_topic.config) + DLQ_HEADERS_BYTES +
		     sizeof(struct mqbus_record) + 8;

	*config = w->of_topic.config;
	config->partitions = 1;
	config->max_record = topic_option_max_record(&w->of_topic.config);
	config->full = MQBUS_FULL_BLOCK;
	/* No retention: somebody has to look at dead letters */
	config->retention = 0;
	config->retention_size = 0;
	/* No limits: the kernel writes dead letters, for all users */
	config->rate = 0;
	config->rate_bytes = 0;
	config->user_rate = 0;
	config->user_rate_bytes = 0;
	config->share = 0;
	while (config->size / 2 < need && config->size < MQBUS_RING_MAX)
		config->size *= 2;
}

static int make_dlq(struct work_queue *w)
{
	const char *name = w->options.queue.dlq;
	struct error_subject subject = { .topic = name };
	struct mqbus_topic_config config;
	struct mqbus_admin_topic found;
	int ret;

	if (!*name)
		return STATUS_OK;
	if (strcmp(name, w->topic) && !mqbus_admin_topic_get(name, &found))
		return w->quiet ? STATUS_OK : printf("topic '%s': was there\n", name) < 0;
	/* The kernel refuses loops of dead letters when the group is created */
	if (!strcmp(name, w->topic))
		return STATUS_OK;
	dlq_config(w, &config);
	ret = topic_option_create(&subject, &config);
	if (ret)
		return ret;
	w->made_dlq = true;
	ret = queue_option_letters(name, DLQ_GROUP_DEFAULT, 0);
	if (!ret && !w->quiet)
		topic_option_tell(name, &config);
	return ret;
}

static int make_topic(struct work_queue *w)
{
	struct error_subject subject = { .topic = w->topic };
	int ret;

	ret = topic_option_create(&subject, &w->of_topic.config);
	if (ret)
		return ret;
	w->made_topic = true;
	if (!w->quiet)
		topic_option_tell(w->topic, &w->of_topic.config);
	return STATUS_OK;
}

static int make_group(struct work_queue *w)
{
	struct error_subject subject = { .topic = w->topic, .group = w->group };
	const struct mqbus_queue_options *queue = &w->options.queue;
	struct mqbus_group_create args = {
		.whence = MQBUS_WHENCE_EARLIEST, .mode = w->of_topic.config.mode & 0666,
	};
	int ret;

	ret = queue_option_create(&subject, &args, &w->options);
	if (ret || w->quiet)
		return ret;
	printf("queue group '%s': up to %u in flight", w->group,
	       queue->max_inflight ? queue->max_inflight : MQBUS_INFLIGHT_DEFAULT);
	if (!*queue->dlq)
		printf(", no dead letters\n");
	else if (queue->max_attempts == MQBUS_ANY)
		printf(", dead letters only when rejected\n");
	else
		printf(", dead letters after %u failures\n",
		       queue->max_attempts ? queue->max_attempts : MQBUS_ATTEMPTS_DEFAULT);
	return STATUS_OK;
}

static int make_all(struct work_queue *w)
{
	int ret;

	ret = make_topic(w);
	if (!ret)
		ret = make_dlq(w);
	if (!ret)
		ret = make_group(w);
	if (!ret)
		return STATUS_OK;
	/* With their groups */
	if (w->made_dlq)
		mqbus_topic_delete(w->options.queue.dlq);
	if (w->made_topic)
		mqbus_topic_delete(w->topic);
	return ret;
}

/* By default dead letters go to a topic named after this one. */
static int name_dlq(struct work_queue *w)
{
	char *dlq = w->options.queue.dlq;

	if (w->options.fields & MQBUS_GROUP_SET_DLQ)
		return STATUS_OK;
	if (strlen(w->topic) + strlen(DLQ_SUFFIX) >= MQBUS_NAME_SIZE)
		return cmd_usage_error("queue: a name has at most %zu bytes, as "
				       DLQ_SUFFIX " is added to it (--dlq)",
				       MQBUS_NAME_SIZE - 1 - strlen(DLQ_SUFFIX));
	snprintf(dlq, MQBUS_NAME_SIZE, "%s" DLQ_SUFFIX, w->topic);
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "group", 'g', "GROUP", "name of the queue group (default workers)",
	  OPTION_STRING(struct work_queue, group) },
	{ "quiet", 'q', NULL, "do not print the result", OPTION_FLAG(struct work_queue, quiet) },
	{ .help = "\nOf the topic:" },
	{ .table = &topic_option_fixed, .at = offsetof(struct work_queue, of_topic) },
	{ .table = &topic_option_of_queue, .at = offsetof(struct work_queue, of_topic) },
	{ .help = "\nOf the queue group:" },
	{ .table = &queue_option_changeable, .at = offsetof(struct work_queue, options) },
	{ .table = &queue_option_fixed, .at = offsetof(struct work_queue, options) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus queue NAME [OPTION]...\n\n"
		 "Create a work queue: topic NAME, its queue group, and topic NAME.dlq for dead letters\n"
		 "with the group that 'mqbus dlq' reads. If a step fails, nothing is created.\n\n",
	.rows = rows,
	.more = "\n"
		"--dlq is NAME.dlq by default; an existing topic is used unchanged.\n"
		"BYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n",
	.column = 30,
};

int cmd_queue(int argc, char **argv)
{
	struct work_queue w = {
		.group = "workers",
		.of_topic.config = MQBUS_TOPIC_CONFIG_INIT,
	};
	int ret;

	w.of_topic.config.mode = parse_default_mode();
	ret = option_parse(&table, argc, argv, &w);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("queue takes one NAME");
	if (w.of_topic.config.full == MQBUS_FULL_EVICT)
		return cmd_usage_error("queue: a topic that evicts has no queue groups (--full)");
	w.topic = argv[optind];
	ret = name_dlq(&w);
	return ret ? ret : make_all(&w);
}
