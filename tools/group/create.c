// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "common/cmd.h"
#include "group.h"
#include "mqbus.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/queue_option.h"

#define GROUP_HELP \
	"      --lag-limit N         records of lag above which there is an event (mqbus\n"	\
	"                            monitor); 0 (default) is none\n"
#define STREAM_HELP \
	"      --rebalance-timeout TIME|never\n"		\
	"                            that a member has to let go of a partition which is to\n" \
	"                            go to another, before it is taken away (default 60s)\n" \
	"      --grace TIME          for which the partitions of a member that joined with an\n" \
	"                            id are kept for it when it has gone (default 0)\n"

static const char create_help[] =
	"Usage: mqbus group create TOPIC GROUP [OPTION]...\n"
	"\n"
	"  -t, --type stream|queue   stream (default): members share the partitions, read each\n"
	"                            in order and commit; queue: records are leased to any\n"
	"                            member, which settles each\n"
	"  -o, --offset WHERE        begin at: earliest (default), latest, an offset, @TIME\n"
	"      --mode OCTAL          r may list it, w may join it (default 0666 less the umask)\n"
	GROUP_HELP
	"\n"
	"Of a stream group:\n"
	STREAM_HELP
	"\n"
	"Of a queue group:\n"
	QUEUE_HELP_CHANGEABLE
	QUEUE_HELP_FIXED
	"\n"
	"@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z; other TIMEs take\n"
	"ms, s (default), m, h, d. BYTES take K, M, G.\n";

static const char set_help[] =
	"Usage: mqbus group set TOPIC GROUP OPTION...\n"
	"\n"
	"Change a group; what is leased or waits already keeps its time.\n"
	"\n"
	GROUP_HELP
	"\n"
	"Of a stream group:\n"
	STREAM_HELP
	"\n"
	"Of a queue group:\n"
	QUEUE_HELP_CHANGEABLE
	"\n"
	"TIME takes ms, s (default), m, h, d; a --lease of 0 lasts while its member lives.\n";

static const char pause_help[] =
	"Usage: mqbus group pause TOPIC GROUP\n"
	"       mqbus group resume TOPIC GROUP\n"
	"\n"
	"A group that is paused hands out nothing: its members wait as if there were no\n"
	"records, but settle and commit what they have. It holds its space in the topic.\n";

enum { OPT_MODE = 256, OPT_REBALANCE_TIMEOUT, OPT_GRACE, OPT_LAG_LIMIT };

/**
 * struct group_options - what was asked for, of either type of group
 * @stream: options of a stream group
 * @fields: bits of MQBUS_GROUP_SET_*: which of them were given
 * @queue: options of a queue group
 * @lag_limit: of either type
 * @limited: whether @lag_limit was given
 */
struct group_options {
	struct mqbus_stream stream;
	__u32 fields;
	struct queue_options queue;
	__u64 lag_limit;
	bool limited;
};

/* One option of a group of either type; returns the exit status. */
static int group_option(struct group_options *options, int opt)
{
	struct mqbus_stream *stream = &options->stream;
	__u64 v = MQBUS_WAIT_FOREVER;

	switch (opt) {
	case OPT_REBALANCE_TIMEOUT:
		if (strcmp(optarg, "never") &&
		    (parse_duration(optarg, &v) || !v || v > MQBUS_DELAY_MAX))
			return cmd_bad_value("--rebalance-timeout", optarg,
					     "a time such as 30s, up to 30d, or never");
		stream->rebalance_timeout = v;
		options->fields |= MQBUS_GROUP_SET_REBALANCE_TIMEOUT;
		return STATUS_OK;
	case OPT_GRACE:
		if (parse_duration(optarg, &v) || v > MQBUS_DELAY_MAX)
			return cmd_bad_value("--grace", optarg, "a time such as 10s, up to 30d");
		stream->grace = v;
		options->fields |= MQBUS_GROUP_SET_GRACE;
		return STATUS_OK;
	case OPT_LAG_LIMIT:
		if (parse_number(optarg, ~0ULL, &options->lag_limit))
			return cmd_bad_value("--lag-limit", optarg, "a number of records");
		options->limited = true;
		return STATUS_OK;
	}
	return queue_option(&options->queue, opt);
}

static int limit_set(const struct error_subject *subject, const struct group_options *group)
{
	int ret;

	if (!group->limited)
		return STATUS_OK;
	ret = mqbus_group_lag_limit(subject->topic, subject->group, group->lag_limit);
	return ret ? error_report(subject, ret) : STATUS_OK;
}

int group_create(int argc, char **argv)
{
	struct option options[8 + QUEUE_OPTION_COUNT] = {
		{ "type", required_argument, NULL, 't' },
		{ "offset", required_argument, NULL, 'o' },
		{ "mode", required_argument, NULL, OPT_MODE },
		{ "help", no_argument, NULL, 'h' },
		{ "rebalance-timeout", required_argument, NULL, OPT_REBALANCE_TIMEOUT },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "lag-limit", required_argument, NULL, OPT_LAG_LIMIT },
	};
	struct error_subject subject = { .action = DO_GROUP_CREATE };
	struct place_spec place = { .whence = MQBUS_WHENCE_EARLIEST };
	struct group_options group = { .queue = QUEUE_OPTIONS_INIT };
	__u32 type = MQBUS_GROUP_STREAM;
	__u32 mode = parse_default_mode();
	int opt, ret;

	queue_option_append(options, true);
	while ((opt = getopt_long(argc, argv, "t:o:h", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			if (names_group_type_parse(optarg, &type))
				return cmd_bad_value("--type", optarg, "stream or queue");
			break;
		case 'o':
			if (parse_place(optarg, &place))
				return cmd_bad_value("--offset", optarg, PLACE_EXPECTED);
			break;
		case OPT_MODE:
			if (parse_mode(optarg, &mode))
				return cmd_bad_value("--mode", optarg, MODE_EXPECTED);
			break;
		case 'h':
			return cmd_help(create_help);
		case '?':
			return cmd_bad_option(argv);
		default:
			ret = group_option(&group, opt);
			if (ret)
				return ret;
		}
	}
	ret = group_names(argc, argv, "create", &subject);
	if (ret)
		return ret;
	if (type == MQBUS_GROUP_QUEUE && group.fields)
		return cmd_usage_error("group create: %s are for -t stream",
				       "--rebalance-timeout and --grace");
	if (type == MQBUS_GROUP_QUEUE) {
		ret = queue_option_create(&subject, place.whence, place.value, mode, &group.queue);
		return ret ? ret : limit_set(&subject, &group);
	}
	if (group.queue.fields || group.queue.fixed)
		return cmd_usage_error("group create: these options are for -t queue");
	ret = mqbus_stream_create(subject.topic, subject.group, place.whence, place.value, mode,
				  &group.stream);
	return ret ? error_report(&subject, ret) : limit_set(&subject, &group);
}

static int stream_set(const struct error_subject *subject, const struct group_options *group)
{
	int ret = mqbus_stream_set(subject->topic, subject->group, group->fields, &group->stream);

	return ret ? error_report(subject, ret) : STATUS_OK;
}

int group_set(int argc, char **argv)
{
	struct option options[6 + QUEUE_OPTION_COUNT] = {
		{ "type", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "rebalance-timeout", required_argument, NULL, OPT_REBALANCE_TIMEOUT },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "lag-limit", required_argument, NULL, OPT_LAG_LIMIT },
	};
	struct error_subject subject = { .action = DO_GROUP_SET };
	struct group_options group = { 0 };
	__u32 type = MQBUS_GROUP_STREAM;
	bool typed = false;
	int opt, ret;

	queue_option_append(options, false);
	while ((opt = getopt_long(argc, argv, "t:h", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			if (names_group_type_parse(optarg, &type))
				return cmd_bad_value("--type", optarg, "stream or queue");
			typed = true;
			break;
		case 'h':
			return cmd_help(set_help);
		case '?':
			return cmd_bad_option(argv);
		default:
			ret = group_option(&group, opt);
			if (ret)
				return ret;
		}
	}
	ret = group_names(argc, argv, "set", &subject);
	if (ret)
		return ret;
	if (!group.queue.fields && !group.fields && !group.limited)
		return cmd_usage_error("group set: change what?");
	if ((group.queue.fields && group.fields) ||
	    (typed && (group.queue.fields || group.fields) &&
	     !(type == MQBUS_GROUP_QUEUE ? group.queue.fields : group.fields)))
		return cmd_usage_error("group set: these options are for two types of groups");
	if (group.queue.fields)
		ret = queue_option_set(&subject, &group.queue);
	else if (group.fields)
		ret = stream_set(&subject, &group);
	return ret ? ret : limit_set(&subject, &group);
}

static int group_set_paused(int argc, char **argv, bool paused)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct error_subject subject = { .action = DO_GROUP_SET };
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(pause_help);
		return cmd_bad_option(argv);
	}
	ret = group_names(argc, argv, argv[0], &subject);
	if (ret)
		return ret;
	ret = mqbus_group_pause(subject.topic, subject.group, paused);
	return ret ? error_report(&subject, ret) : STATUS_OK;
}

int group_pause(int argc, char **argv)
{
	return group_set_paused(argc, argv, true);
}

int group_resume(int argc, char **argv)
{
	return group_set_paused(argc, argv, false);
}
