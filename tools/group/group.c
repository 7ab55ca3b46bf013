// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cmd.h"
#include "common/error.h"
#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "common/report.h"
#include "group.h"
#include "mqbus.h"
#include "mqbus_admin.h"

int group_names(int argc, char **argv, const char *command, struct error_subject *subject)
{
	if (argc - optind != 2)
		return cmd_usage_error("group %s takes a TOPIC and a GROUP", command);
	subject->topic = argv[optind];
	subject->group = argv[optind + 1];
	return STATUS_OK;
}

static int group_list(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_LIST };
	struct mqbus_admin_group *groups;
	struct mqbus_admin_topic topic;
	bool json = false;
	size_t n;
	int ret;

	ret = option_parse_json("Usage: mqbus group list [TOPIC] [-j|--json]\n", argc, argv,
				&json);
	if (ret >= 0)
		return ret;
	if (argc - optind > 1)
		return cmd_usage_error("group list takes one TOPIC at most");
	subject.topic = argv[optind];
	/* A topic without groups is an empty list; a missing one is an error */
	ret = subject.topic ? mqbus_admin_topic_get(subject.topic, &topic) : 0;
	if (!ret)
		ret = mqbus_admin_group_list(subject.topic, NULL, &groups, &n);
	if (ret)
		return error_report(&subject, ret);
	ret = report_groups(groups, n, json);
	free(groups);
	return ret;
}

static int group_show(int argc, char **argv)
{
	/* Missing names are reported as for a seek */
	struct error_subject subject = { .action = DO_GROUP_SEEK };
	struct mqbus_admin_group *partitions = NULL;
	bool json = false;
	size_t n;
	int ret;

	ret = option_parse_json("Usage: mqbus group show TOPIC GROUP [-j|--json]\n", argc, argv,
				&json);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "show", &subject);
	if (ret)
		return ret;
	ret = mqbus_admin_group_list(subject.topic, subject.group, &partitions, &n);
	if (!ret && !n)
		ret = -ENOENT;
	if (ret)
		ret = error_report(&subject, ret);
	else
		ret = report_group(partitions, n, json);
	free(partitions);
	return ret;
}

static int group_delete(int argc, char **argv)
{
	static const struct option_row flag = {
		"force", OPTION_LONG, NULL, "even if it has members",
	};
	struct error_subject subject = { .action = DO_GROUP_DELETE };
	bool force = false;
	int ret;

	ret = option_parse_flag("Usage: mqbus group delete TOPIC GROUP [--force]\n\n", &flag,
				argc, argv, &force);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "delete", &subject);
	if (ret)
		return ret;
	ret = mqbus_group_delete(subject.topic, subject.group, force);
	return ret ? error_report(&subject, ret) : STATUS_OK;
}

static int print_seek(const struct mqbus_seek_result *results, int n, bool executed)
{
	struct table table = { 0 };
	int i;

	table_head(&table, ">PARTITION\t>OLD\t>NEW\t>END");
	for (i = 0; i < n; i++)
		table_row(&table, "%u\t%llu\t%llu\t%llu", results[i].partition,
			  results[i].old_offset, results[i].new_offset, results[i].end_offset);
	table_print(&table);
	if (!executed)
		fputs("Nothing was moved: --execute does it.\n", stderr);
	return STATUS_OK;
}

static json_t *seek_json(const struct mqbus_seek_result *results, int n, bool executed)
{
	json_t *one, *list = json_array();
	int i;

	for (i = 0; i < n; i++) {
		one = json_pack("{s:I s:I s:I s:I}",
				"partition", (json_int_t)results[i].partition,
				"old", (json_int_t)results[i].old_offset,
				"new", (json_int_t)results[i].new_offset,
				"end", (json_int_t)results[i].end_offset);
		json_array_append_new(list, one);
	}
	return json_pack("{s:b s:o}", "executed", (int)executed, "partitions", list);
}

/**
 * struct seek - the options of group seek
 * @place: the destination
 * @placed: whether @place was given
 * @execute: move it
 * @force: even if it has members
 * @json: print JSON
 * @partition: which, or MQBUS_ANY
 */
struct seek {
	struct place_spec place;
	bool placed;
	bool execute;
	bool force;
	bool json;
	__u32 partition;
};

static int seek_run(const struct seek *seek, struct error_subject *subject)
{
	struct mqbus_seek_result results[MQBUS_PARTITIONS_MAX];
	struct mqbus_admin_topic topic;
	__u32 flags = 0;
	int n;

	if (!seek->execute)
		flags |= MQBUS_GROUP_SEEK_F_DRY_RUN;
	else if (seek->force)
		flags |= MQBUS_GROUP_SEEK_F_FORCE;
	n = mqbus_group_seek(subject->topic, subject->group, seek->partition,
			     seek->place.whence, seek->place.value, flags,
			     results, MQBUS_PARTITIONS_MAX);
	if (n == -ECHRNG) {
		subject->partition = seek->partition;
		if (!mqbus_admin_topic_get(subject->topic, &topic))
			subject->partitions = topic.partitions;
	}
	if (n < 0)
		return error_report(subject, n);
	if (n > MQBUS_PARTITIONS_MAX)
		n = MQBUS_PARTITIONS_MAX;
	if (seek->json)
		return output_json(seek_json(results, n, seek->execute));
	return print_seek(results, n, seek->execute);
}

static int seek_option(void *into, int key)
{
	struct seek *seek = into;

	switch (key) {
	case 'o':
		if (parse_move(optarg, &seek->place))
			return cmd_bad_value("--offset", optarg, MOVE_EXPECTED);
		seek->placed = true;
		break;
	case 'p':
		if (parse_u32(optarg, MQBUS_ANY - 1, &seek->partition))
			return cmd_bad_value("--partition", optarg, "a number");
		break;
	}
	return STATUS_OK;
}

static const struct option_row seek_rows[] = {
	{ "offset", 'o', "WHERE",
	  "earliest, latest, an offset, @TIME; +N or -N records\n"
	  "from the committed offset" },
	{ "partition", 'p', "N", "only this partition (default: all)" },
	{ "execute", 0, NULL, "do it; the group must have no members",
	  OPTION_FLAG(struct seek, execute) },
	{ "force", 0, NULL,
	  "move it even if it has members, which lose the records\n"
	  "that they hold",
	  OPTION_FLAG(struct seek, force) },
	{ "json", 'j', OPTION_FLAG(struct seek, json) },
	{ 0 }
};

static const struct option_table seek_table = {
	.usage = "Usage: mqbus group seek TOPIC GROUP -o WHERE [OPTION]...\n\n"
		 "Show where a group would read next, or move it there.\n\n",
	.rows = seek_rows,
	.more = "\n@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z.\n",
	.column = 25, .take = seek_option,
};

static int group_seek(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_SEEK };
	struct seek seek = { .partition = MQBUS_ANY };
	int ret;

	ret = option_parse(&seek_table, argc, argv, &seek);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "seek", &subject);
	if (ret)
		return ret;
	if (!seek.placed)
		return cmd_usage_error("group seek: where to? (-o " MOVE_EXPECTED ")");
	return seek_run(&seek, &subject);
}

int cmd_group(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "create", group_create, "create a group" },
		{ "set", group_set, "change the options of a group" },
		{ "pause", group_pause, "stop handing out records" },
		{ "resume", group_resume, "hand out records again" },
		{ "list", group_list, "groups of a topic, or of all" },
		{ "show", group_show, "one group: progress in each partition" },
		{ "members", group_members, "members with their partitions or leases" },
		{ "delete", group_delete, "delete a group and its progress" },
		{ "seek", group_seek, "show or change where a group reads next" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus group", argc, argv);
}
