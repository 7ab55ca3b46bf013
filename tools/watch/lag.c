// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/names.h"
#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "wait.h"
#include "window.h"

#define WINDOW_DEFAULT 5000000000ULL
#define SAMPLES_DEFAULT 6

/**
 * struct lag - what was asked for, and what was seen
 * @topic: only this topic, or NULL
 * @group: only groups of this name, or NULL
 * @json: print JSON
 * @window: ns from first to last sample
 * @samples: number of samples
 * @first: the first sample
 * @last: the last one
 * @windows: of the groups of the first sample
 */
struct lag {
	const char *topic;
	const char *group;
	bool json;
	__u64 window;
	__u32 samples;
	struct sample first;
	struct sample last;
	struct window *windows;
};

static bool wanted(const struct lag *lag, const struct sample_group *g)
{
	return !lag->group || !strcmp(lag->group, g->name);
}

/* Note the present state of the groups of the first sample. */
static void add(struct lag *lag, const struct sample *s)
{
	size_t i;

	for (i = 0; i < lag->first.nr_groups; i++) {
		const struct sample_group *f = &lag->first.groups[i];
		const struct sample_group *g = sample_group(s, f->topic, f->name);

		if (g)
			window_add(&lag->windows[i], g);
	}
}

static enum window_state judge(const struct lag *lag, const struct sample_group *g)
{
	const struct sample_group *f = sample_group(&lag->first, g->topic, g->name);
	static const struct window none;

	return window_judge(f ? &lag->windows[f - lag->first.groups] : &none, g);
}

static int lag_table(const struct lag *lag)
{
	const struct sample *s = &lag->last;
	struct table table = { 0 };
	const struct sample_group *g;

	table_head(&table,
		   "TOPIC\tGROUP\tTYPE\t>MEMBERS\t>LAG\t>LAG TIME\t>SETTLED/S\tSTATE");
	for (g = s->groups; g < s->groups + s->nr_groups; g++) {
		const struct sample_group *f = sample_group(&lag->first, g->topic, g->name);
		char time[32];

		if (!wanted(lag, g))
			continue;
		table_row(&table, "%s\t%s\t%s\t%u\t%llu\t%s\t%.0f\t%s", g->topic, g->name,
			  names_group_type(g->type), g->members, g->lag,
			  output_time(time, g->lag_time),
			  sample_settled(&lag->first, s, f, g),
			  window_state_name(judge(lag, g)));
	}
	table_print(&table);
	return STATUS_OK;
}

static int lag_json(const struct lag *lag)
{
	const struct sample *s = &lag->last;
	const struct sample_group *g;
	json_t *list = json_array();

	for (g = s->groups; g < s->groups + s->nr_groups; g++) {
		const struct sample_group *f = sample_group(&lag->first, g->topic, g->name);
		json_t *group;

		if (!wanted(lag, g))
			continue;
		group = json_pack("{s:s s:s s:s s:I s:I s:I s:I s:b s:f s:s}",
				  "topic", g->topic,
				  "group", g->name,
				  "type", names_group_type(g->type),
				  "members", (json_int_t)g->members,
				  "lag", (json_int_t)g->lag,
				  "lag_ns", (json_int_t)g->lag_time,
				  "held", (json_int_t)g->held,
				  "paused", (int)g->paused,
				  "settled_per_second", sample_settled(&lag->first, s, f, g),
				  "state", window_state_name(judge(lag, g)));
		json_array_append_new(list, group);
	}
	return output_json(list);
}

/* Sample over the window; 0, a negative errno or an exit status. */
static int look(struct lag *lag)
{
	__u64 begin = cmd_now();
	struct sample s;
	__u32 i;
	int ret;

	for (i = 1; i < lag->samples; i++) {
		wait_until(-1, begin + lag->window * i / (lag->samples - 1));
		if (cmd_signal())
			return STATUS_SIGNAL + cmd_signal();
		ret = sample_take(&s, lag->topic);
		if (ret)
			return ret;
		add(lag, &s);
		sample_free(&lag->last);
		lag->last = s;
	}
	return 0;
}

/* If the given group does not exist there is nothing to wait for. */
static int find(const struct lag *lag)
{
	size_t i;

	for (i = 0; i < lag->first.nr_groups; i++) {
		if (wanted(lag, &lag->first.groups[i]))
			return 0;
	}
	return lag->group ? -ENOENT : 0;
}

static int lag_run(struct lag *lag)
{
	struct error_subject subject = {
		.action = lag->topic ? DO_GROUP_SEEK : DO_LIST,
		.topic = lag->topic,
		.group = lag->group,
	};
	size_t i;
	int ret;

	wait_catch_signals();
	ret = sample_take(&lag->first, lag->topic);
	if (ret)
		return error_report(&subject, ret);
	lag->windows = calloc(lag->first.nr_groups + 1, sizeof(*lag->windows));
	if (!lag->windows)
		abort();
	for (i = 0; i < lag->first.nr_groups; i++)
		lag->windows[i].size = lag->samples;
	add(lag, &lag->first);
	ret = find(lag);
	if (ret == -ENOENT && !lag->topic)
		ret = error_say(&subject,
				"no topic has it; a single name is a group's (group list)");
	if (!ret)
		ret = look(lag);
	if (!ret)
		ret = lag->json ? lag_json(lag) : lag_table(lag);
	else if (ret < 0)
		ret = error_report(&subject, ret);
	sample_free(&lag->first);
	sample_free(&lag->last);
	free(lag->windows);
	return ret;
}

static int take_option(void *into, int key)
{
	struct lag *lag = into;

	switch (key) {
	case 'w':
		if (parse_interval(optarg, &lag->window))
			return cmd_bad_value("--window", optarg, INTERVAL_EXPECTED);
		break;
	case 's':
		if (parse_u32(optarg, WINDOW_MAX, &lag->samples) || lag->samples < 2)
			return cmd_bad_value("--samples", optarg, "a number from 2 to 64");
		break;
	}
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "window", 'w', "TIME", "time from first to last sample (default 5s)" },
	{ "samples", 's', "N",
	  "number of samples, first and last included\n"
	  "(default 6; 2 to 64)" },
	{ "json", 'j', OPTION_FLAG(struct lag, json) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus lag [GROUP | TOPIC GROUP] [OPTION]...\n\n"
		 "Print how far groups are behind, and whether they keep up: all, those of a name on any\n"
		 "topic, or one. It samples them over a window first.\n\n",
	.rows = rows,
	.more = "\nSTATE is the last of these that fits:\n"
		WINDOW_HELP
		"\n"
		"LAG is the number of unsettled records, LAG TIME the age of the oldest of\n"
		"them. The exit status is 0 whatever the states are.\n",
	.column = 23, .take = take_option,
};

int cmd_lag(int argc, char **argv)
{
	struct lag lag = { .window = WINDOW_DEFAULT, .samples = SAMPLES_DEFAULT };
	int ret;

	ret = option_parse(&table, argc, argv, &lag);
	if (ret >= 0)
		return ret;
	if (argc - optind > 2)
		return cmd_usage_error("lag takes a GROUP, or a TOPIC and a GROUP");
	if (optind < argc)
		lag.group = argv[argc - 1];
	if (argc - optind == 2)
		lag.topic = argv[optind];
	return lag_run(&lag);
}
