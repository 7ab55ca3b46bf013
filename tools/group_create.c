// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "group.h"
#include "mqbus.h"
#include "names.h"
#include "parse.h"
#include "queue_option.h"

static const char create_help[] =
	"Usage: mqbus group create TOPIC GROUP [OPTION]...\n"
	"\n"
	"  -t, --type stream|queue   stream (default): one member at a time reads, in order,\n"
	"                            and commits; queue: records are leased to any member,\n"
	"                            which settles each\n"
	"  -o, --offset WHERE        begin at: earliest (default), latest, an offset, @TIME\n"
	"      --mode OCTAL          r may list it, w may join it (default 0666 less the umask)\n"
	"\n"
	"Of a queue group:\n"
	QUEUE_HELP_CHANGEABLE
	QUEUE_HELP_FIXED
	"\n"
	"@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z; other TIMEs take\n"
	"ms, s (default), m, h, d. BYTES take K, M, G.\n";

static const char set_help[] =
	"Usage: mqbus group set TOPIC GROUP [-t queue] OPTION...\n"
	"\n"
	"Change a queue group; what is leased or waits already keeps its time.\n"
	"\n"
	QUEUE_HELP_CHANGEABLE
	"\n"
	"TIME takes ms, s (default), m, h, d; a --lease of 0 lasts while its member lives.\n";

enum { OPT_MODE = 256 };

int group_create(int argc, char **argv)
{
	struct option options[5 + QUEUE_OPTION_COUNT] = {
		{ "type", required_argument, NULL, 't' },
		{ "offset", required_argument, NULL, 'o' },
		{ "mode", required_argument, NULL, OPT_MODE },
		{ "help", no_argument, NULL, 'h' },
	};
	struct error_subject subject = { .action = DO_GROUP_CREATE };
	struct place_spec place = { .whence = MQBUS_WHENCE_EARLIEST };
	struct queue_options queue = QUEUE_OPTIONS_INIT;
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
			ret = queue_option(&queue, opt);
			if (ret)
				return ret;
		}
	}
	ret = group_names(argc, argv, "create", &subject);
	if (ret)
		return ret;
	if (type == MQBUS_GROUP_QUEUE)
		return queue_option_create(&subject, place.whence, place.value, mode, &queue);
	if (queue.fields || queue.fixed)
		return cmd_usage_error("group create: these options are for -t queue");
	ret = mqbus_group_create(subject.topic, subject.group, place.whence, place.value, mode);
	return ret ? error_report(&subject, ret) : STATUS_OK;
}

int group_set(int argc, char **argv)
{
	struct option options[3 + QUEUE_OPTION_COUNT] = {
		{ "type", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
	};
	struct error_subject subject = { .action = DO_QUEUE_SET };
	struct queue_options queue = { 0 };
	__u32 type;
	int opt, ret;

	queue_option_append(options, false);
	while ((opt = getopt_long(argc, argv, "t:h", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			if (names_group_type_parse(optarg, &type) || type != MQBUS_GROUP_QUEUE)
				return cmd_bad_value("--type", optarg,
						     "queue: only these can be changed");
			break;
		case 'h':
			return cmd_help(set_help);
		case '?':
			return cmd_bad_option(argv);
		default:
			ret = queue_option(&queue, opt);
			if (ret)
				return ret;
		}
	}
	ret = group_names(argc, argv, "set", &subject);
	if (ret)
		return ret;
	if (!queue.fields)
		return cmd_usage_error("group set: change what?");
	return queue_option_set(&subject, &queue);
}
