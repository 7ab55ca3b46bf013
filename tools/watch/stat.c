// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "stat.h"
#include "wait.h"

enum stat_format { STAT_TABLE, STAT_JSON, STAT_TSV, STAT_PROMETHEUS };

enum { OPT_TSV = OPTION_LONG, OPT_PROMETHEUS };

/**
 * struct stat_options - what was asked for
 * @topic: the only one, or NULL
 * @format: how to print
 * @interval: ns, or 0: only once
 * @count: how often, with an interval
 */
struct stat_options {
	const char *topic;
	enum stat_format format;
	__u64 interval;
	__u64 count;
};

/* Returns the exit status. */
static int print(const struct stat_options *o, const struct sample *s, const struct sample *old)
{
	struct text out = { 0 };

	if (o->format == STAT_TABLE)
		stat_table(s, old);
	else if (o->format == STAT_TSV)
		stat_tsv(s, &out);
	else if (o->format == STAT_PROMETHEUS)
		stat_prometheus(s, &out);
	else if (o->interval)
		text_json(&out, stat_json(s, old));
	else
		return output_json(stat_json(s, NULL));
	text_write(&out, stdout);
	return fflush(stdout) ? STATUS_FAILED : STATUS_OK;
}

static int stat_run(const struct stat_options *o)
{
	struct error_subject subject = { .action = DO_LIST, .topic = o->topic };
	struct sample s, old = { 0 };
	__u64 until = cmd_now();
	__u64 n = 0;
	int ret;

	wait_catch_signals();
	ret = sample_take(&s, o->topic);
	/* With an interval the first sample is only the base of the rates */
	if (!ret && !o->interval)
		ret = print(o, &s, NULL);
	while (!ret && o->interval && n < o->count) {
		until += o->interval;
		wait_until(-1, until);
		if (cmd_signal()) {
			sample_free(&s);
			return STATUS_SIGNAL + cmd_signal();
		}
		sample_free(&old);
		old = s;
		ret = sample_take(&s, o->topic);
		if (ret)
			break;
		if (n++ && o->format == STAT_TABLE)
			putchar('\n');
		ret = print(o, &s, &old);
	}
	sample_free(&old);
	sample_free(&s);
	return ret < 0 ? error_report(&subject, ret) : ret;
}

static int take_option(void *into, int key)
{
	struct stat_options *o = into;

	switch (key) {
	case 'i':
		if (parse_interval(optarg, &o->interval))
			return cmd_bad_value("--interval", optarg, INTERVAL_EXPECTED);
		break;
	case 'c':
		if (parse_number(optarg, ~0ULL, &o->count) || !o->count)
			return cmd_bad_value("--count", optarg, "a number from 1");
		break;
	case 'j':
		o->format = STAT_JSON;
		break;
	case OPT_TSV:
		o->format = STAT_TSV;
		break;
	case OPT_PROMETHEUS:
		o->format = STAT_PROMETHEUS;
		break;
	}
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "interval", 'i', "SECONDS", "repeat, with the rates since the last time" },
	{ "count", 'c', "N", "end after N times" },
	{ "json", 'j', NULL, "JSON; with -i one line each time, with rates" },
	{ "tsv", OPT_TSV, NULL,
	  "a line for each figure, separated by tabs: topic or group,\n"
	  "the topic, the group or -, the figure's name, the number" },
	{ "prometheus", OPT_PROMETHEUS, NULL, "Prometheus text format (see also mqbus exporter)" },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus stat [TOPIC] [OPTION]...\n\n"
		 "Print the state and the totals of topics and groups.\n\n",
	.rows = rows,
	.more = "\n"
		"Totals are since the creation of the topic or group. LAG is the number of unsettled\n"
		"records, LAG TIME the age of the oldest of them.\n",
	.column = 26, .take = take_option,
};

int cmd_stat(int argc, char **argv)
{
	struct stat_options o = { .count = ~0ULL };
	int ret;

	ret = option_parse(&table, argc, argv, &o);
	if (ret >= 0)
		return ret;
	if (argc - optind > 1)
		return cmd_usage_error("stat takes one TOPIC at most");
	if (o.count != ~0ULL && !o.interval)
		return cmd_usage_error("stat: -c goes with -i");
	o.topic = argv[optind];
	return stat_run(&o);
}
