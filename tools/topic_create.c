// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "output.h"
#include "parse.h"
#include "topic.h"

static const char create_help[] =
	"Usage: mqbus topic create NAME [OPTION]...\n"
	"\n"
	TOPIC_HELP
	"  -q, --quiet                 do not say what was made\n"
	"\n"
	"BYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n";

__u64 topic_option_max_record(const struct mqbus_topic_config *config)
{
	if (config->max_record)
		return config->max_record;
	return config->size / 4 < MQBUS_RECORD_DEFAULT ? config->size / 4 : MQBUS_RECORD_DEFAULT;
}

/* ERANGE is one errno for three numbers: find the one that it is about. */
static int report_range(const struct error_subject *s,
			const struct mqbus_topic_config *config)
{
	if (config->partitions > MQBUS_PARTITIONS_MAX)
		return error_say(s, "%u partitions are over the maximum of %u (--partitions)",
				 config->partitions, MQBUS_PARTITIONS_MAX);
	if (config->size < MQBUS_RING_MIN || config->size > MQBUS_RING_MAX)
		return error_say(s, "a ring has %llu to %llu bytes, not %llu (--size)",
				 MQBUS_RING_MIN, MQBUS_RING_MAX, (__u64)config->size);
	return error_say(s,
			 "a record has up to half of the ring and %u bytes, not %u (--max-record)",
			 MQBUS_RECORD_MAX, config->max_record);
}

void topic_option_tell(const char *name, const struct mqbus_topic_config *config)
{
	char size[32], max[32], time[32] = "for ever";

	if (config->retention)
		output_duration(time, config->retention);
	output_size(size, config->size);
	output_size(max, topic_option_max_record(config));
	if (config->partitions)
		printf("topic '%s': %u x %s", name, config->partitions, size);
	else
		printf("topic '%s': %s for each CPU", name, size);
	printf(", %s when full, records up to %s, kept %s, mode %04o\n",
	       names_full(config->full), max, time, config->mode);
}

static int parse_partitions(const char *s, __u32 *out)
{
	if (!strcmp(s, "per-cpu")) {
		*out = 0;
		return 0;
	}
	return parse_u32(s, MQBUS_ANY, out) || !*out ? -EINVAL : 0;
}

static const struct option topic_options[] = {
	{ "partitions", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 's' },
	{ "full", required_argument, NULL, 'f' },
	{ "max-record", required_argument, NULL, 'm' },
	{ "retention", required_argument, NULL, 'r' },
	{ "mode", required_argument, NULL, OPT_TOPIC_MODE },
	{ "owner", required_argument, NULL, OPT_TOPIC_OWNER },
};

void topic_option_append(struct option *table)
{
	while (table->name)
		table++;
	memcpy(table, topic_options, sizeof(topic_options));
}

int topic_option(struct mqbus_topic_config *config, int opt)
{
	__u64 v;

	switch (opt) {
	case 'n':
		if (parse_partitions(optarg, &config->partitions))
			return cmd_bad_value("--partitions", optarg, "a number or per-cpu");
		break;
	case 's':
		if (parse_size(optarg, &v) || parse_round_up(&v))
			return cmd_bad_value("--size", optarg, "bytes such as 64K or 1M");
		config->size = v;
		break;
	case 'f':
		if (names_full_parse(optarg, &config->full))
			return cmd_bad_value("--full", optarg, "block, reject or evict");
		break;
	case 'm':
		if (parse_size(optarg, &v) || !v || v > MQBUS_ANY)
			return cmd_bad_value("--max-record", optarg, "bytes such as 4K");
		config->max_record = v;
		break;
	case 'r':
		if (parse_duration(optarg, &v))
			return cmd_bad_value("--retention", optarg, "a time such as 10m or 500ms");
		config->retention = v;
		break;
	case OPT_TOPIC_MODE:
		if (parse_mode(optarg, &config->mode))
			return cmd_bad_value("--mode", optarg, MODE_EXPECTED);
		break;
	case OPT_TOPIC_OWNER:
		if (parse_owner(optarg, &config->uid, &config->gid))
			return cmd_bad_value("--owner", optarg, "UID[:GID] that exist");
		break;
	}
	return STATUS_OK;
}

int topic_option_create(struct error_subject *subject, const struct mqbus_topic_config *config)
{
	struct mqbus_info info = { 0 };
	int ret;

	subject->action = DO_TOPIC_CREATE;
	ret = mqbus_topic_create(subject->topic, config);
	if (ret == -ERANGE)
		return report_range(subject, config);
	if (!ret)
		return STATUS_OK;
	if (!config->partitions)
		mqbus_info(&info);
	subject->bytes = config->size * (config->partitions ? config->partitions : info.cpus);
	return error_report(subject, ret);
}

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
