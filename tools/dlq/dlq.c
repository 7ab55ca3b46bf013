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

/* Options of all four */
static const struct option_row match_rows[] = {
	{ "match", 'm', "NAME=VALUE",
	  "only letters whose header NAME is VALUE; NAME is a header\n"
	  "of the record, or one of a dead letter: topic,\n"
	  "partition, offset, group, attempts, reason (nack, expired,\n"
	  "died, rejected), first, last, pid, uid; or key, or\n"
	  "routing-key; if repeated, all must match" },
	{ "count", 'c', "N", "at most N of them", OPTION_NUMBER(struct dlq, left) },
	{ "group", 'g', "GROUP", "read as a member of this queue group (default dlq)",
	  OPTION_STRING(struct dlq, subject.group) },
	{ "json", 'j', OPTION_FLAG(struct dlq, json) },
	{ 0 }
};

static const struct option_table match_table = {
	.rows = match_rows, .column = 26, .take = take_option,
};

static const struct option_row look_rows[] = {
	{ .table = &match_table },
	{ 0 }
};

static const struct option_row redrive_rows[] = {
	{ "to", 0, "TOPIC", "publish all to this topic instead", OPTION_STRING(struct dlq, to) },
	{ "rate", OPT_RATE, "N", "at most N a second; also as N/s, N/m, N/h" },
	{ "dry-run", 0, NULL, "only list those that would be redriven",
	  OPTION_FLAG(struct dlq, dry_run) },
	{ .table = &match_table },
	{ 0 }
};

static const struct option_row purge_rows[] = {
	{ "all", 0, NULL, "all letters", OPTION_FLAG(struct dlq, all) },
	{ "dry-run", 0, NULL, "only list those that would be dropped",
	  OPTION_FLAG(struct dlq, dry_run) },
	{ .table = &match_table },
	{ 0 }
};

static const struct {
	const char *name;
	int (*run)(struct dlq *d);
	struct option_table table;
} runs[] = {
	{ "list", dlq_list,
	  { "Usage: mqbus dlq list TOPIC [OPTION]...\n\n"
	    "List the dead letters in a topic.\n\n",
	    look_rows } },
	{ "show", dlq_show,
	  { "Usage: mqbus dlq show TOPIC [OPTION]...\n\n"
	    "Show all of each dead letter in a topic.\n\n",
	    look_rows } },
	{ "redrive", dlq_redrive,
	  { "Usage: mqbus dlq redrive TOPIC [OPTION]...\n\n"
	    "Publish dead letters to the topics they came from, without their dead letter\n"
	    "headers, and remove them from TOPIC, each in one step: a killed redrive\n"
	    "loses and repeats none. It waits while a topic is full. Letters that the kernel has not\n"
	    "written for the group that they name stay: any producer may have published them.\n\n",
	    redrive_rows, .column = 26, .take = take_option } },
	{ "purge", dlq_purge,
	  { "Usage: mqbus dlq purge TOPIC --all | --match NAME=VALUE... [OPTION]...\n\n"
	    "Drop dead letters.\n\n",
	    purge_rows, .column = 26 } },
};

static int run_one(int argc, char **argv)
{
	struct dlq d = { .subject.group = DLQ_GROUP_DEFAULT, .left = ULLONG_MAX };
	size_t i = 0;
	int ret;

	while (strcmp(runs[i].name, argv[0]))
		i++;
	ret = option_parse(&runs[i].table, argc, argv, &d);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("dlq %s takes one TOPIC", argv[0]);
	if (runs[i].run == dlq_purge && d.all == !!d.nr_match)
		return cmd_usage_error("dlq purge: which? (--match NAME=VALUE, or --all)");
	d.subject.topic = argv[optind];
	d.looks = d.dry_run || runs[i].run == dlq_list || runs[i].run == dlq_show;
	cmd_catch_signals();
	ret = runs[i].run(&d);
	free(d.match);
	return ret;
}

int cmd_dlq(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "list", run_one, "list dead letters" },
		{ "show", run_one, "show each dead letter in full" },
		{ "redrive", run_one, "publish dead letters to the topics they came from" },
		{ "purge", run_one, "drop dead letters" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus dlq", argc, argv);
}
