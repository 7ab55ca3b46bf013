// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/error.h"
#include "mqbus.h"
#include "mqbus_admin.h"
#include "common/option.h"
#include "common/output.h"
#include "common/report.h"
#include "topic.h"

enum { OPT_ALL = 256 };

static int topic_list(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct mqbus_admin_topic *topics;
	bool json = false;
	size_t n;
	int ret;

	ret = option_parse_json("Usage: mqbus topic list [-j|--json]\n", argc, argv,
				&json);
	if (ret >= 0)
		return ret;
	if (argc != optind)
		return cmd_usage_error("topic list takes no names (topic show does)");
	ret = mqbus_admin_topic_list(&topics, &n);
	if (ret)
		return error_report(&subject, ret);
	ret = json ? output_json(report_topics_json(topics, n)) : report_topics(topics, n);
	free(topics);
	return ret;
}

static int topic_show(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct mqbus_admin_partition *partitions = NULL;
	struct mqbus_admin_group *groups = NULL;
	size_t nr_partitions, nr_groups;
	struct mqbus_admin_topic topic;
	bool json = false;
	int ret;

	ret = option_parse_json("Usage: mqbus topic show NAME [-j|--json]\n", argc, argv,
				&json);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("topic show takes one NAME");
	subject.topic = argv[optind];
	ret = mqbus_admin_topic_get(subject.topic, &topic);
	if (!ret)
		ret = mqbus_admin_partition_list(subject.topic, &partitions, &nr_partitions);
	if (!ret)
		ret = mqbus_admin_group_list(subject.topic, NULL, &groups, &nr_groups);
	if (ret)
		ret = error_report(&subject, ret);
	else if (json)
		ret = output_json(report_topic_json(&topic, partitions, nr_partitions,
						    groups, nr_groups));
	else
		ret = report_topic(&topic, partitions, nr_partitions, groups, nr_groups);
	free(partitions);
	free(groups);
	return ret;
}

static int delete_one(const char *name)
{
	struct error_subject subject = { .action = DO_TOPIC_DELETE, .topic = name };
	int ret = mqbus_topic_delete(name);

	return ret ? error_report(&subject, ret) : STATUS_OK;
}

static int delete_all(void)
{
	struct error_subject subject = { .action = DO_LIST };
	struct mqbus_admin_topic *topics;
	int status = STATUS_OK;
	size_t i, n;
	int ret;

	ret = mqbus_admin_topic_list(&topics, &n);
	if (ret)
		return error_report(&subject, ret);
	for (i = 0; i < n; i++) {
		if (delete_one(topics[i].name))
			status = STATUS_FAILED;
	}
	free(topics);
	return status;
}

static int topic_delete(int argc, char **argv)
{
	static const struct option_row flag = { "all", OPTION_LONG, .hidden = true };
	int status = STATUS_OK;
	bool all = false;
	int ret;

	ret = option_parse_flag("Usage: mqbus topic delete NAME... | --all\n", &flag, argc, argv,
				&all);
	if (ret >= 0)
		return ret;
	if (all ? argc > optind : argc == optind)
		return cmd_usage_error("topic delete takes names, or --all");
	if (all)
		return delete_all();
	for (; optind < argc; optind++) {
		if (delete_one(argv[optind]))
			status = STATUS_FAILED;
	}
	return status;
}

int cmd_topic(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "create", topic_create, "make a topic" },
		{ "set", topic_set, "change a topic" },
		{ "list", topic_list, "topics of this network namespace" },
		{ "show", topic_show, "one topic with its partitions and groups" },
		{ "delete", topic_delete, "delete topics and what is in them" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus topic", argc, argv);
}
