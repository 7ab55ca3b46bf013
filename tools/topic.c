// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "mqbus.h"
#include "names.h"
#include "nl.h"
#include "output.h"
#include "parse.h"
#include "report.h"

static const char create_help[] =
	"Usage: mqbus topic create NAME [OPTION]...\n"
	"\n"
	"  -n, --partitions N|per-cpu  rings (default 1); per-cpu: one for each CPU,\n"
	"                              without any order\n"
	"  -s, --size BYTES            of each ring (default 1M), rounded up to a power of two\n"
	"  -f, --full block|reject|evict\n"
	"                              what a full topic does: the producer waits (default),\n"
	"                              it gets an error, the oldest records go\n"
	"  -m, --max-record BYTES      largest record (default 64K, at most 1/4 of the ring)\n"
	"  -r, --retention TIME        records go after this time (default: only for space)\n"
	"      --mode OCTAL            r subscribes, w publishes (default 0666 less the umask)\n"
	"      --owner UID[:GID]       numbers or names (default: the caller)\n"
	"  -q, --quiet                 do not say what was made\n"
	"\n"
	"BYTES take K, M, G; TIME takes ms, s (default), m, h, d.\n";

/* The kernel's rule for a topic that does not say */
static __u64 effective_max_record(const struct mqbus_topic_config *config)
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

static int create_report(const char *name, const struct mqbus_topic_config *config)
{
	char size[32], max[32], time[32] = "for ever";

	if (config->retention)
		output_duration(time, config->retention);
	output_size(size, config->size);
	output_size(max, effective_max_record(config));
	if (config->partitions)
		printf("topic '%s': %u x %s", name, config->partitions, size);
	else
		printf("topic '%s': %s for each CPU", name, size);
	printf(", %s when full, records up to %s, kept %s, mode %04o\n",
	       names_full(config->full), max, time, config->mode);
	return STATUS_OK;
}

static int parse_partitions(const char *s, __u32 *out)
{
	if (!strcmp(s, "per-cpu")) {
		*out = 0;
		return 0;
	}
	return parse_u32(s, MQBUS_ANY, out) || !*out ? -EINVAL : 0;
}

enum { OPT_MODE = 256, OPT_OWNER, OPT_ALL };

/* One option of topic create; returns an exit status. */
static int create_option(int opt, struct mqbus_topic_config *config, bool *quiet)
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
	case OPT_MODE:
		if (parse_mode(optarg, &config->mode))
			return cmd_bad_value("--mode", optarg, MODE_EXPECTED);
		break;
	case OPT_OWNER:
		if (parse_owner(optarg, &config->uid, &config->gid))
			return cmd_bad_value("--owner", optarg, "UID[:GID] that exist");
		break;
	case 'q':
		*quiet = true;
		break;
	}
	return STATUS_OK;
}

static int topic_create(int argc, char **argv)
{
	static const struct option options[] = {
		{ "partitions", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "full", required_argument, NULL, 'f' },
		{ "max-record", required_argument, NULL, 'm' },
		{ "retention", required_argument, NULL, 'r' },
		{ "mode", required_argument, NULL, OPT_MODE },
		{ "owner", required_argument, NULL, OPT_OWNER },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	struct error_subject subject = { .action = DO_TOPIC_CREATE };
	bool quiet = false;
	int opt, ret;

	config.mode = parse_default_mode();
	while ((opt = getopt_long(argc, argv, "n:s:f:m:r:qh", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(create_help);
		if (opt == '?')
			return cmd_bad_option(argv);
		ret = create_option(opt, &config, &quiet);
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return cmd_usage_error("topic create takes one NAME");
	subject.topic = argv[optind];
	ret = mqbus_topic_create(subject.topic, &config);
	if (ret == -ERANGE)
		return report_range(&subject, &config);
	if (ret) {
		struct mqbus_info info = { 0 };

		if (!config.partitions)
			mqbus_info(&info);
		subject.bytes = config.size * (config.partitions ? config.partitions : info.cpus);
		return error_report(&subject, ret);
	}
	return quiet ? STATUS_OK : create_report(subject.topic, &config);
}

static int topic_list(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct nl_topic *topics;
	bool json = false;
	size_t n;
	int ret;

	ret = cmd_json_option(argc, argv, "Usage: mqbus topic list [-j|--json]\n", &json);
	if (ret >= 0)
		return ret;
	if (argc != optind)
		return cmd_usage_error("topic list takes no names (topic show does)");
	ret = nl_topic_list(&topics, &n);
	if (ret)
		return error_report(&subject, ret);
	ret = json ? output_json(report_topics_json(topics, n)) : report_topics(topics, n);
	free(topics);
	return ret;
}

static int topic_show(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct nl_partition *partitions = NULL;
	struct nl_group *groups = NULL;
	size_t nr_partitions, nr_groups;
	struct nl_topic topic;
	bool json = false;
	int ret;

	ret = cmd_json_option(argc, argv, "Usage: mqbus topic show NAME [-j|--json]\n", &json);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("topic show takes one NAME");
	subject.topic = argv[optind];
	ret = nl_topic_get(subject.topic, &topic);
	if (!ret)
		ret = nl_partition_list(subject.topic, &partitions, &nr_partitions);
	if (!ret)
		ret = nl_group_list(subject.topic, NULL, &groups, &nr_groups);
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
	struct nl_topic *topics;
	int status = STATUS_OK;
	size_t i, n;
	int ret;

	ret = nl_topic_list(&topics, &n);
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
	static const struct option options[] = {
		{ "all", no_argument, NULL, OPT_ALL },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int status = STATUS_OK;
	bool all = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help("Usage: mqbus topic delete NAME... | --all\n");
		if (opt == '?')
			return cmd_bad_option(argv);
		all = true;
	}
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
		{ "list", topic_list, "topics of this network namespace" },
		{ "show", topic_show, "one topic with its partitions and groups" },
		{ "delete", topic_delete, "delete topics and what is in them" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus topic", argc, argv);
}
