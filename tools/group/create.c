// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "common/cmd.h"
#include "common/names.h"
#include "common/option.h"
#include "common/parse.h"
#include "common/queue_option.h"
#include "group.h"
#include "mqbus.h"

enum {
	OPT_MODE = OPTION_LONG, OPT_OWNER, OPT_REBALANCE_TIMEOUT, OPT_GRACE, OPT_LAG_LIMIT,
	OPT_EXPIRE, OPT_OBSERVER, OPT_EPHEMERAL,
};

/**
 * struct group_options - the options of a group of either type
 * @type: an enum mqbus_group_type
 * @typed: whether @type was given
 * @place: where a new group begins
 * @flags: of a new group
 * @mode: of a new group
 * @set: options that both types have, and those of a stream group; its fields say which of
 *	them were given
 * @queue: options of a queue group
 */
struct group_options {
	__u32 type;
	bool typed;
	struct place_spec place;
	__u32 flags;
	__u32 mode;
	struct mqbus_group_set set;
	struct queue_options queue;
};

#define STREAM_FIELDS	(MQBUS_GROUP_SET_REBALANCE_TIMEOUT | MQBUS_GROUP_SET_GRACE)

static int take_option(void *into, int key)
{
	struct group_options *options = into;
	struct mqbus_group_set *set = &options->set;
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
		if (parse_mode(optarg, 0666, &options->mode))
			return cmd_bad_value("--mode", optarg, "octal of r and w, such as 0640");
		set->mode = options->mode;
		set->fields |= MQBUS_GROUP_SET_MODE;
		break;
	case OPT_OWNER:
		set->uid = MQBUS_ANY;
		set->gid = MQBUS_ANY;
		if (parse_owner(optarg, &set->uid, &set->gid))
			return cmd_bad_value("--owner", optarg, "UID[:GID] that exist");
		if (set->uid != MQBUS_ANY)
			set->fields |= MQBUS_GROUP_SET_UID;
		if (set->gid != MQBUS_ANY)
			set->fields |= MQBUS_GROUP_SET_GID;
		break;
	case OPT_OBSERVER:
		options->flags |= MQBUS_GROUP_F_OBSERVER;
		break;
	case OPT_EPHEMERAL:
		options->flags |= MQBUS_GROUP_F_EPHEMERAL;
		break;
	case OPT_EXPIRE:
		if (strcmp(optarg, "never") &&
		    (parse_duration(optarg, &v) || !v || v > MQBUS_DELAY_MAX))
			return cmd_bad_value("--expire", optarg,
					     "a time such as 1h, up to 30d, or never");
		set->expire = v == MQBUS_WAIT_FOREVER ? 0 : v;
		set->fields |= MQBUS_GROUP_SET_EXPIRE;
		break;
	case OPT_REBALANCE_TIMEOUT:
		if (strcmp(optarg, "never") &&
		    (parse_duration(optarg, &v) || !v || v > MQBUS_DELAY_MAX))
			return cmd_bad_value("--rebalance-timeout", optarg,
					     "a time such as 30s, up to 30d, or never");
		set->stream.rebalance_timeout = v;
		set->fields |= MQBUS_GROUP_SET_REBALANCE_TIMEOUT;
		break;
	case OPT_GRACE:
		if (parse_duration(optarg, &v) || v > MQBUS_DELAY_MAX)
			return cmd_bad_value("--grace", optarg, "a time such as 10s, up to 30d");
		set->stream.grace = v;
		set->fields |= MQBUS_GROUP_SET_GRACE;
		break;
	case OPT_LAG_LIMIT:
		if (parse_number(optarg, ~0ULL, &v))
			return cmd_bad_value("--lag-limit", optarg, "a number of records");
		set->lag_threshold = v;
		set->fields |= MQBUS_GROUP_SET_LAG_THRESHOLD;
		break;
	}
	return STATUS_OK;
}

static const struct option_row changeable_rows[] = {
	{ "lag-limit", OPT_LAG_LIMIT, "N",
	  "records of lag above which there is an event (mqbus\n"
	  "monitor); 0 (default) is none" },
	{ "expire", OPT_EXPIRE, "TIME|never",
	  "delete the group when it has had no members for this\n"
	  "long (default never)" },
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
	{ "observer", OPT_OBSERVER, NULL,
	  "hold no records back: producers never wait for the group,\n"
	  "which is told how many records it lost (a stream group)" },
	{ "ephemeral", OPT_EPHEMERAL, NULL, "delete the group with its last member" },
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
	{ "mode", OPT_MODE, "OCTAL", "r may list it, w may join it" },
	{ "owner", OPT_OWNER, "UID[:GID]",
	  "numbers or names; only root (CAP_CHOWN) may give it away" },
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

static int common_set(const struct error_subject *subject, const struct mqbus_group_set *set)
{
	int ret = set->fields ? mqbus_group_set(subject->topic, subject->group, set) : 0;

	return ret ? error_report(subject, ret) : STATUS_OK;
}

static int create_one(struct error_subject *subject, struct group_options *group)
{
	struct mqbus_group_create args = {
		.flags = group->flags, .whence = group->place.whence, .value = group->place.value,
		.mode = group->mode, .stream = group->set.stream, .expire = group->set.expire,
	};
	int ret;

	if (group->type == MQBUS_GROUP_QUEUE)
		return queue_option_create(subject, &args, &group->queue);
	ret = mqbus_group_make(subject->topic, subject->group, &args);
	return ret ? error_report(subject, ret) : STATUS_OK;
}

int group_create(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_CREATE };
	struct group_options group = {
		.type = MQBUS_GROUP_STREAM,
		.place.whence = MQBUS_WHENCE_EARLIEST,
		.mode = parse_default_mode(),
	};
	bool queue;
	int ret;

	ret = option_parse(&create_table, argc, argv, &group);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "create", &subject);
	if (ret)
		return ret;
	queue = group.type == MQBUS_GROUP_QUEUE;
	if (queue && (group.set.fields & STREAM_FIELDS || group.flags & MQBUS_GROUP_F_OBSERVER))
		return cmd_usage_error("group create: %s are for -t stream",
				       "--observer, --rebalance-timeout and --grace");
	if (!queue && (group.queue.fields || group.queue.fixed))
		return cmd_usage_error("group create: these options are for -t queue");
	if (group.flags & MQBUS_GROUP_F_EPHEMERAL && group.set.expire)
		return cmd_usage_error("group create: --ephemeral or --expire?");
	ret = create_one(&subject, &group);
	if (ret)
		return ret;
	/* The others were given when it was created */
	group.set.fields &= MQBUS_GROUP_SET_LAG_THRESHOLD;
	return common_set(&subject, &group.set);
}

int group_set(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_SET };
	struct group_options group = { .type = MQBUS_GROUP_STREAM };
	__u32 stream;
	int ret;

	ret = option_parse(&set_table, argc, argv, &group);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "set", &subject);
	if (ret)
		return ret;
	stream = group.set.fields & STREAM_FIELDS;
	if (!group.queue.fields && !group.set.fields)
		return cmd_usage_error("group set: change what?");
	if ((group.queue.fields && stream) ||
	    (group.typed && (group.queue.fields || stream) &&
	     !(group.type == MQBUS_GROUP_QUEUE ? group.queue.fields : stream)))
		return cmd_usage_error("group set: these options are for two types of groups");
	ret = group.queue.fields ? queue_option_set(&subject, &group.queue) : STATUS_OK;
	return ret ? ret : common_set(&subject, &group.set);
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
