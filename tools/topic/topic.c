// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/error.h"
#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "common/report.h"
#include "common/topic_option.h"
#include "mqbus.h"
#include "mqbus_admin.h"

/**
 * struct topic_create - what was asked for
 * @options: of the topic
 * @quiet: do not print the result
 */
struct topic_create {
	struct topic_options options;
	bool quiet;
};

static const struct option_row create_rows[] = {
	{ .table = &topic_option_fixed, .at = offsetof(struct topic_create, options) },
	{ .table = &topic_option_changeable, .at = offsetof(struct topic_create, options) },
	{ "quiet", 'q', NULL, "do not print the result", OPTION_FLAG(struct topic_create, quiet) },
	{ 0 }
};

static const struct option_table create_table = {
	.usage = "Usage: mqbus topic create NAME [OPTION]...\n\n",
	.rows = create_rows,
	.more = "\nBYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n",
	.column = 30,
};

static int topic_create(int argc, char **argv)
{
	struct topic_create create = { .options.config = MQBUS_TOPIC_CONFIG_INIT };
	struct mqbus_topic_config *config = &create.options.config;
	struct error_subject subject = { 0 };
	int ret;

	config->mode = parse_default_mode();
	ret = option_parse(&create_table, argc, argv, &create);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("topic create takes one NAME");
	subject.topic = argv[optind];
	ret = topic_option_create(&subject, config);
	if (!ret && !create.quiet)
		topic_option_tell(subject.topic, config);
	return ret;
}

static const struct option_row set_rows[] = {
	{ .table = &topic_option_fixed, .hidden = true },
	{ .table = &topic_option_changeable },
	{ 0 }
};

static const struct option_table set_table = {
	.usage = "Usage: mqbus topic set NAME OPTION...\n\n"
		 "Change an existing topic.\n\n",
	.rows = set_rows,
	.more = "\n"
		"A --retention or --retention-size of 0, and none for the others, is no limit. Whether\n"
		"a topic evicts cannot be changed. BYTES take K, M, G; TIME takes ms, s (default), m,\n"
		"h, d.\n",
};

static int topic_set(int argc, char **argv)
{
	struct topic_options options = { .config = MQBUS_TOPIC_CONFIG_INIT };
	struct error_subject subject = { .action = DO_TOPIC_SET };
	int ret;

	ret = option_parse(&set_table, argc, argv, &options);
	if (ret >= 0)
		return ret;
	if (options.fixed)
		return cmd_usage_error("topic set: %s are for new topics",
				       "--partitions, --size and --max-record");
	if (argc - optind != 1)
		return cmd_usage_error("topic set takes one NAME");
	if (!options.fields)
		return cmd_usage_error("topic set: change what?");
	subject.topic = argv[optind];
	ret = mqbus_topic_set(subject.topic, options.fields, &options.config);
	if (ret == -EPERM && options.fields & (MQBUS_TOPIC_SET_UID | MQBUS_TOPIC_SET_GID))
		subject.action = DO_TOPIC_CREATE;
	return ret ? error_report(&subject, ret) : STATUS_OK;
}

static int topic_list(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct mqbus_admin_topic *topics;
	bool json = false;
	size_t n;
	int ret;

	ret = option_parse_json("Usage: mqbus topic list [-j|--json]\n", argc, argv, &json);
	if (ret >= 0)
		return ret;
	if (argc != optind)
		return cmd_usage_error("topic list takes no names (topic show does)");
	ret = mqbus_admin_topic_list(&topics, &n);
	if (ret)
		return error_report(&subject, ret);
	ret = report_topics(topics, n, json);
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

	ret = option_parse_json("Usage: mqbus topic show NAME [-j|--json]\n", argc, argv, &json);
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
	else
		ret = report_topic(&topic, partitions, nr_partitions, groups, nr_groups, json);
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
		{ "create", topic_create, "create a topic" },
		{ "set", topic_set, "change a topic" },
		{ "list", topic_list, "topics of this network namespace" },
		{ "show", topic_show, "one topic with its partitions and groups" },
		{ "delete", topic_delete, "delete topics with their records" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus topic", argc, argv);
}
