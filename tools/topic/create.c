// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "common/parse.h"
#include "common/topic_option.h"
#include "topic.h"

/**
 * struct topic_create - what was asked for
 * @options: of the topic
 * @quiet: do not say what was made
 */
struct topic_create {
	struct topic_options options;
	bool quiet;
};

static const struct option_row create_rows[] = {
	{ .table = &topic_option_fixed, .at = offsetof(struct topic_create, options) },
	{ .table = &topic_option_changeable, .at = offsetof(struct topic_create, options) },
	{ "quiet", 'q', NULL, "do not say what was made", OPTION_FLAG(struct topic_create, quiet) },
	{ 0 }
};

static const struct option_table create_table = {
	.usage = "Usage: mqbus topic create NAME [OPTION]...\n\n",
	.rows = create_rows,
	.more = "\nBYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n",
	.column = 30,
};

int topic_create(int argc, char **argv)
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
	.usage = "Usage: mqbus topic set NAME OPTION...\n"
		 "\n"
		 "Change a topic that is there.\n"
		 "\n",
	.rows = set_rows,
	.more = "\n"
		"A --retention or --retention-size of 0, and none for the others, is no limit. Whether\n"
		"a topic evicts cannot be changed. BYTES take K, M, G; TIME takes ms, s (default), m,\n"
		"h, d.\n",
};

int topic_set(int argc, char **argv)
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
