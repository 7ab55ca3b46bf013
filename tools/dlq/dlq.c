// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dlq.h"
#include "common/parse.h"
#include "common/queue_option.h"

#define MATCH_HELP \
	"  -m, --match NAME=VALUE  only letters whose header NAME is VALUE; NAME is a header\n" \
	"                          of the record, or one that a dead letter has: topic,\n" \
	"                          partition, offset, group, attempts, reason (nack, expired,\n" \
	"                          died, rejected), first, last, pid, uid; or key, or\n" \
	"                          routing-key; if repeated, all must hold\n" \
	"  -c, --count N           at most N of them\n" \
	"  -g, --group GROUP       read as a member of this queue group (default dlq)\n" \
	"  -j, --json\n"

static const char list_help[] =
	"Usage: mqbus dlq list TOPIC [OPTION]...\n"
	"\n"
	"List the dead letters in a topic.\n"
	"\n"
	MATCH_HELP;

static const char show_help[] =
	"Usage: mqbus dlq show TOPIC [OPTION]...\n"
	"\n"
	"Show all of each dead letter in a topic.\n"
	"\n"
	MATCH_HELP;

static const char redrive_help[] =
	"Usage: mqbus dlq redrive TOPIC [OPTION]...\n"
	"\n"
	"Publish dead letters where they came from, without the headers that made them\n"
	"dead letters, and remove them from TOPIC, each in one step: a redrive that is killed\n"
	"loses and repeats nothing. A full topic is waited for. Letters that the kernel has not\n"
	"written for the group that they name stay: anybody may have published them.\n"
	"\n"
	"      --to TOPIC          publish them here instead\n"
	"      --rate N            at most N a second; also as N/s, N/m, N/h\n"
	"      --dry-run           only list those that would be redriven\n"
	MATCH_HELP;

static const char purge_help[] =
	"Usage: mqbus dlq purge TOPIC --all | --match NAME=VALUE... [OPTION]...\n"
	"\n"
	"Drop dead letters.\n"
	"\n"
	"      --all               all that are there\n"
	"      --dry-run           only list those that would be dropped\n"
	MATCH_HELP;

enum { OPT_TO = 256, OPT_RATE, OPT_DRY_RUN, OPT_ALL };

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

/* One option; returns the exit status. */
static int dlq_option(struct dlq *d, int opt)
{
	switch (opt) {
	case 'm':
		return add_match(d);
	case 'c':
		if (parse_number(optarg, ULLONG_MAX, &d->left))
			return cmd_bad_value("--count", optarg, "a number");
		break;
	case 'g':
		d->subject.group = optarg;
		break;
	case 'j':
		d->json = true;
		break;
	case OPT_TO:
		d->to = optarg;
		break;
	case OPT_RATE:
		return take_rate(d);
	case OPT_DRY_RUN:
		d->dry_run = true;
		break;
	}
	return STATUS_OK;
}

/* What the four have in common; @own: options of one of them. */
static int dlq_run(int argc, char **argv, const char *help, const struct option *own,
		   int (*run)(struct dlq *d))
{
	struct option options[16] = {
		{ "match", required_argument, NULL, 'm' },
		{ "count", required_argument, NULL, 'c' },
		{ "group", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
	};
	struct dlq d = { .subject.group = DLQ_GROUP_DEFAULT, .left = ULLONG_MAX };
	bool all = false;
	int i, opt, ret;

	for (i = 5; own && own->name; own++)
		options[i++] = *own;
	while ((opt = getopt_long(argc, argv, "m:c:g:jh", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(help);
		if (opt == '?')
			return cmd_bad_option(argv);
		all |= opt == OPT_ALL;
		ret = dlq_option(&d, opt);
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return cmd_usage_error("dlq %s takes one TOPIC", argv[0]);
	if (run == dlq_purge && all == !!d.nr_match)
		return cmd_usage_error("dlq purge: which? (--match NAME=VALUE, or --all)");
	d.subject.topic = argv[optind];
	cmd_catch_signals();
	ret = run(&d);
	free(d.match);
	return ret;
}

static int list(int argc, char **argv)
{
	return dlq_run(argc, argv, list_help, NULL, dlq_list);
}

static int show(int argc, char **argv)
{
	return dlq_run(argc, argv, show_help, NULL, dlq_show);
}

static int redrive(int argc, char **argv)
{
	static const struct option own[] = {
		{ "to", required_argument, NULL, OPT_TO },
		{ "rate", required_argument, NULL, OPT_RATE },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ NULL, 0, NULL, 0 },
	};

	return dlq_run(argc, argv, redrive_help, own, dlq_redrive);
}

static int purge(int argc, char **argv)
{
	static const struct option own[] = {
		{ "all", no_argument, NULL, OPT_ALL },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ NULL, 0, NULL, 0 },
	};

	return dlq_run(argc, argv, purge_help, own, dlq_purge);
}

int cmd_dlq(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "list", list, "list dead letters" },
		{ "show", show, "all of each dead letter" },
		{ "redrive", redrive, "publish dead letters where they came from" },
		{ "purge", purge, "drop dead letters" },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch(commands, "mqbus dlq", argc, argv);
}
