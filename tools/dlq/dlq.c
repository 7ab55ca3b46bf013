// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/option.h"
#include "common/parse.h"
#include "common/queue_option.h"
#include "dlq.h"

enum { OPT_RATE = OPTION_LONG };

static int add_match(struct dlq *d)
{
	const char *equals = strchr(optarg, '=');

	if (!equals || equals == optarg)
		return cmd_bad_value("--match", optarg, "NAME=VALUE");
	d->match = reallocarray(d->match, d->nr_match + 1, sizeof(*d->match));
	if (!d->match)
		abort();
	d->match[d->nr_match++] = (struct dlq_match){
		.name = optarg,
		.name_len = equals - optarg,
		.value = equals + 1,
	};
	return STATUS_OK;
}

/* N, N/s, N/m or N/h; at least one a day. */
static int take_rate(struct dlq *d)
{
	char *end;

	d->rate = strtod(optarg, &end);
	if (!strcmp(end, "/m"))
		d->rate /= 60;
	else if (!strcmp(end, "/h"))
		d->rate /= 3600;
	else if (*end && strcmp(end, "/s"))
		end = optarg;
	if (end == optarg || !(d->rate >= 1.0 / 86400 && d->rate <= 1e9))
		return cmd_bad_value("--rate", optarg, "a number such as 100, 100/s or 10/m");
	return STATUS_OK;
}

static int take_option(void *into, int key)
{
	struct dlq *d = into;

	switch (key) {
	case 'm':
		return add_match(d);
	case OPT_RATE:
		return take_rate(d);
	}
	return STATUS_OK;
}

/* What the four have in common */
static const struct option_row match_rows[] = {
	{ "match", 'm', "NAME=VALUE",
	  "only letters whose header NAME is VALUE; NAME is a header\n"
	  "of the record, or one that a dead letter has: topic,\n"
	  "partition, offset, group, attempts, reason (nack, expired,\n"
	  "died, rejected), first, last, pid, uid; or key, or\n"
	  "routing-key; if repeated, all must hold" },
	{ "count", 'c', "N", "at most N of them", OPTION_NUMBER(struct dlq, left) },
	{ "group", 'g', "GROUP", "read as a member of this queue group (default dlq)",
	  OPTION_STRING(struct dlq, subject.group) },
	{ "json", 'j', OPTION_FLAG(struct dlq, json) },
	{ 0 }
};

static const struct option_table match_table = {
	.rows = match_rows, .column = 26, .take = take_option,
};

static int dlq_run(int argc, char **argv, const char *usage, const struct option_row *rows,
		   int (*run)(struct dlq *d))
{
	const struct option_table table = {
		.usage = usage, .rows = rows, .column = 26, .take = take_option,
	};
	struct dlq d = { .subject.group = DLQ_GROUP_DEFAULT, .left = ULLONG_MAX };
	int ret;

	ret = option_parse(&table, argc, argv, &d);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("dlq %s takes one TOPIC", argv[0]);
	if (run == dlq_purge && d.all == !!d.nr_match)
		return cmd_usage_error("dlq purge: which? (--match NAME=VALUE, or --all)");
	d.subject.topic = argv[optind];
	cmd_catch_signals();
	ret = run(&d);
	free(d.match);
	return ret;
}

static const struct option_row look_rows[] = {
	{ .table = &match_table },
	{ 0 }
};

static int list_letters(int argc, char **argv)
{
	return dlq_run(argc, argv,
		       "Usage: mqbus dlq list TOPIC [OPTION]...\n\n"
		       "List the dead letters in a topic.\n\n",
		       look_rows, dlq_list);
}

static int show_letters(int argc, char **argv)
{
	return dlq_run(argc, argv,
		       "Usage: mqbus dlq show TOPIC [OPTION]...\n\n"
		       "Show all of each dead letter in a topic.\n\n",
		       look_rows, dlq_show);
}

static int redrive_letters(int argc, char **argv)
{
	static const struct option_row rows[] = {
		{ "to", 0, "TOPIC", "publish them here instead", OPTION_STRING(struct dlq, to) },
		{ "rate", OPT_RATE, "N", "at most N a second; also as N/s, N/m, N/h" },
		{ "dry-run", 0, NULL, "only list those that would be redriven",
		  OPTION_FLAG(struct dlq, dry_run) },
		{ .table = &match_table },
		{ 0 }
	};

	return dlq_run(argc, argv,
		       "Usage: mqbus dlq redrive TOPIC [OPTION]...\n\n"
		       "Publish dead letters where they came from, without the headers that made them\n"
		       "dead letters, and remove them from TOPIC, each in one step: a redrive that is killed\n"
		       "loses and repeats nothing. A full topic is waited for. Letters that the kernel has not\n"
		       "written for the group that they name stay: anybody may have published them.\n\n",
		       rows, dlq_redrive);
}

static int purge_letters(int argc, char **argv)
{
	static const struct option_row rows[] = {
		{ "all", 0, NULL, "all that are there", OPTION_FLAG(struct dlq, all) },
		{ "dry-run", 0, NULL, "only list those that would be dropped",
		  OPTION_FLAG(struct dlq, dry_run) },
		{ .table = &match_table },
		{ 0 }
	};

	return dlq_run(argc, argv,
		       "Usage: mqbus dlq purge TOPIC --all | --match NAME=VALUE... [OPTION]...\n\n"
		       "Drop dead letters.\n\n",
		       rows, dlq_purge);
}

int cmd_dlq(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "list", list_letters, "list dead letters" },
		{ "show", show_letters, "all of each dead letter" },
		{ "redrive", redrive_letters, "publish dead letters where they came from" },
		{ "purge", purge_letters, "drop dead letters" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus dlq", argc, argv);
}
