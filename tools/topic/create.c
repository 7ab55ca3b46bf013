// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "common/parse.h"
#include "common/topic_option.h"
#include "topic.h"

static const char create_help[] =
	"Usage: mqbus topic create NAME [OPTION]...\n"
	"\n"
	TOPIC_HELP
	"  -q, --quiet                 do not say what was made\n"
	"\n"
	"BYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n";

static const char set_help[] =
	"Usage: mqbus topic set NAME OPTION...\n"
	"\n"
	"Change a topic that is there.\n"
	"\n"
	TOPIC_HELP_CHANGEABLE
	"\n"
	"A --retention or --retention-size of 0, and none for the others, is no limit. Whether\n"
	"a topic evicts cannot be changed. BYTES take K, M, G; TIME takes ms, s (default), m,\n"
	"h, d.\n";

int topic_create(int argc, char **argv)
{
	struct option options[3 + TOPIC_OPTION_COUNT] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
	};
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	struct error_subject subject = { 0 };
	bool quiet = false;
	int opt, ret;

	config.mode = parse_default_mode();
	topic_option_append(options);
	while ((opt = getopt_long(argc, argv, TOPIC_OPTION_LETTERS "qh", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(create_help);
		if (opt == '?')
			return cmd_bad_option(argv);
		if (opt == 'q')
			quiet = true;
		ret = topic_option(&config, opt);
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return cmd_usage_error("topic create takes one NAME");
	subject.topic = argv[optind];
	ret = topic_option_create(&subject, &config);
	if (!ret && !quiet)
		topic_option_tell(subject.topic, &config);
	return ret;
}

int topic_set(int argc, char **argv)
{
	struct option options[2 + TOPIC_OPTION_COUNT] = {
		{ "help", no_argument, NULL, 'h' },
	};
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	struct error_subject subject = { .action = DO_TOPIC_SET };
	__u32 field, fields = 0;
	int opt, ret;

	topic_option_append(options);
	while ((opt = getopt_long(argc, argv, TOPIC_OPTION_LETTERS "h", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(set_help);
		if (opt == '?')
			return cmd_bad_option(argv);
		ret = topic_option(&config, opt);
		if (ret)
			return ret;
		field = topic_option_fields(&config, opt);
		if (!field)
			return cmd_usage_error("topic set: %s are for new topics",
					       "--partitions, --size and --max-record");
		fields |= field;
	}
	if (argc - optind != 1)
		return cmd_usage_error("topic set takes one NAME");
	if (!fields)
		return cmd_usage_error("topic set: change what?");
	subject.topic = argv[optind];
	ret = mqbus_topic_set(subject.topic, fields, &config);
	if (ret == -EPERM && fields & (MQBUS_TOPIC_SET_UID | MQBUS_TOPIC_SET_GID))
		subject.action = DO_TOPIC_CREATE;
	return ret ? error_report(&subject, ret) : STATUS_OK;
}
