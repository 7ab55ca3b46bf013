// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "common/cmd.h"
#include "common/names.h"
#include "common/option.h"
#include "common/parse.h"
#include "common/queue_option.h"
#include "group.h"
#include "mqbus.h"

enum { OPT_MODE = OPTION_LONG, OPT_REBALANCE_TIMEOUT, OPT_GRACE, OPT_LAG_LIMIT };

/**
 * struct group_options - the options of a group of either type
 * @type: an enum mqbus_group_type
 * @typed: whether @type was given
 * @place: where a new group begins
 * @mode: of a new group
 * @stream: options of a stream group
 * @fields: bits of MQBUS_GROUP_SET_*: which of them were given
 * @queue: options of a queue group
 * @lag_threshold: of either type
 * @limited: whether @lag_threshold was given
 */
struct group_options {
	__u32 type;
	bool typed;
	struct place_spec place;
	__u32 mode;
	struct mqbus_stream_options stream;
	__u32 fields;
	struct queue_options queue;
	__u64 lag_threshold;
	bool limited;
};

static int take_option(void *into, int key)
{
	struct group_options *options = into;
	struct mqbus_stream_options *stream = &options->stream;
	__u64 v = MQBUS_WAIT_FOREVER;

	switch (key) {
	case 't':
		if (names_group_type_parse(optarg, &options->type))
			return cmd_bad_value("--type", optarg, "stream or queue");
		options->typed = true;
		break;
	case 'o':
		if (parse_place(optarg, &options->place))
			return cmd_bad_value("--offset", optarg, PLACE_EXPECTED);
		break;
	case OPT_MODE:
		if (parse_mode(optarg, &options->mode))
			return cmd_bad_value("--mode", optarg, MODE_EXPECTED);
		break;
	case OPT_REBALANCE_TIMEOUT:
		if (strcmp(optarg, "never") &&
		    (parse_duration(optarg, &v) || !v || v > MQBUS_DELAY_MAX))
			return cmd_bad_value("--rebalance-timeout", optarg,
					     "a time such as 30s, up to 30d, or never");
		stream->rebalance_timeout = v;
		options->fields |= MQBUS_GROUP_SET_REBALANCE_TIMEOUT;
		break;
	case OPT_GRACE:
		if (parse_duration(optarg, &v) || v > MQBUS_DELAY_MAX)
			return cmd_bad_value("--grace", optarg, "a time such as 10s, up to 30d");
		stream->grace = v;
		options->fields |= MQBUS_GROUP_SET_GRACE;
		break;
	case OPT_LAG_LIMIT:
		if (parse_number(optarg, ~0ULL, &options->lag_threshold))
			return cmd_bad_value("--lag-limit", optarg, "a number of records");
		options->limited = true;
		break;
	}
	return STATUS_OK;
}

static const struct option_row changeable_rows[] = {
	{ "lag-limit", OPT_LAG_LIMIT, "N",
	  "records of lag above which there is an event (mqbus\n"
	  "monitor); 0 (default) is none" },
	{ .help = "\nOf a stream group:" },
	{ "rebalance-timeout", OPT_REBALANCE_TIMEOUT, "TIME|never",
	  "time for a member to release a revoked partition before\n"
	  "it is fenced (default 60s)" },
	{ "grace", OPT_GRACE, "TIME",
	  "keep the partitions of a member that joined with an\n"
	  "id for it after it left (default 0)" },
	{ .help = "\nOf a queue group:" },
	{ .table = &queue_option_changeable, .at = offsetof(struct group_options, queue) },
	{ 0 }
};

static const struct option_table changeable = {
	.rows = changeable_rows, .column = 28, .take = take_option,
};

static const struct option_row create_rows[] = {
	{ "type", 't', "stream|queue",
	  "stream (default): members share the partitions, read each\n"
	  "in order and commit; queue: records are leased to any\n"
	  "member, which settles each" },
	{ "offset", 'o', "WHERE", "begin at: earliest (default), latest, an offset, @TIME" },
	{ "mode", OPT_MODE, "OCTAL", "r may list it, w may join it (default 0666 less the umask)" },
	{ .table = &changeable },
	{ .table = &queue_option_fixed, .at = offsetof(struct group_options, queue) },
	{ 0 }
};

static const struct option_table create_table = {
	.usage = "Usage: mqbus group create TOPIC GROUP [OPTION]...\n\n",
	.rows = create_rows,
	.more = "\n"
		"Without --dlq a record that fails is retried for ever, and one that is rejected is dropped.\n"
		"@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z; other TIMEs take\n"
		"ms, s (default), m, h, d. BYTES take K, M, G.\n",
	.column = 28, .take = take_option,
};

static const struct option_row set_rows[] = {
	{ .table = &changeable },
	{ "type", 't', "stream|queue", .hidden = true },
	{ 0 }
};

static const struct option_table set_table = {
	.usage = "Usage: mqbus group set TOPIC GROUP OPTION...\n\n"
		 "Change a group; records leased or waiting now keep their time.\n\n",
	.rows = set_rows,
	.more = "\n"
		"TIME takes ms, s (default), m, h, d; a --lease of 0 lasts while its member lives.\n",
	.take = take_option,
};

static int limit_set(const struct error_subject *subject, const struct group_options *group)
{
	int ret;

	if (!group->limited)
		return STATUS_OK;
	ret = mqbus_group_lag_threshold(subject->topic, subject->group, group->lag_threshold);
	return ret ? error_report(subject, ret) : STATUS_OK;
}

int group_create(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_CREATE };
	struct group_options group = {
		.type = MQBUS_GROUP_STREAM,
		.place.whence = MQBUS_WHENCE_EARLIEST,
		.mode = parse_default_mode(),
		.queue = QUEUE_OPTIONS_INIT,
	};
	int ret;

	ret = option_parse(&create_table, argc, argv, &group);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "create", &subject);
	if (ret)
		return ret;
	if (group.type == MQBUS_GROUP_QUEUE && group.fields)
		return cmd_usage_error("group create: %s are for -t stream",
				       "--rebalance-timeout and --grace");
	if (group.type == MQBUS_GROUP_QUEUE) {
		ret = queue_option_create(&subject, group.place.whence, group.place.value,
					  group.mode, &group.queue);
		return ret ? ret : limit_set(&subject, &group);
	}
	if (group.queue.fields || group.queue.fixed)
		return cmd_usage_error("group create: these options are for -t queue");
	ret = mqbus_stream_create(subject.topic, subject.group, group.place.whence,
				  group.place.value, group.mode, &group.stream);
	return ret ? error_report(&subject, ret) : limit_set(&subject, &group);
}

static int stream_set(const struct error_subject *subject, const struct group_options *group)
{
	int ret = mqbus_stream_set(subject->topic, subject->group, group->fields, &group->stream);

	return ret ? error_report(subject, ret) : STATUS_OK;
}

int group_set(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_SET };
	struct group_options group = { .type = MQBUS_GROUP_STREAM };
	int ret;

	ret = option_parse(&set_table, argc, argv, &group);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "set", &subject);
	if (ret)
		return ret;
	if (!group.queue.fields && !group.fields && !group.limited)
		return cmd_usage_error("group set: change what?");
	if ((group.queue.fields && group.fields) ||
	    (group.typed && (group.queue.fields || group.fields) &&
	     !(group.type == MQBUS_GROUP_QUEUE ? group.queue.fields : group.fields)))
		return cmd_usage_error("group set: these options are for two types of groups");
	if (group.queue.fields)
		ret = queue_option_set(&subject, &group.queue);
	else if (group.fields)
		ret = stream_set(&subject, &group);
	return ret ? ret : limit_set(&subject, &group);
}

static int group_set_paused(int argc, char **argv, bool paused)
{
	static const struct option_row none[] = { { 0 } };
	static const struct option_table table = {
		.usage = "Usage: mqbus group pause TOPIC GROUP\n"
			 "       mqbus group resume TOPIC GROUP\n\n"
			 "A paused group hands out nothing: its members wait as if there were no\n"
			 "records, but settle and commit. It holds its space in the topic.\n",
		.rows = none,
	};
	struct error_subject subject = { .action = DO_GROUP_SET };
	int ret;

	ret = option_parse(&table, argc, argv, NULL);
	if (ret >= 0)
		return ret;
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
