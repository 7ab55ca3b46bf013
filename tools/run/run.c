// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/option.h"
#include "common/parse.h"
#include "mqbus_admin.h"
#include "run.h"

enum {
	OPT_IDLE_EXIT = OPTION_LONG, OPT_TIMEOUT, OPT_KILL_AFTER, OPT_LEASE, OPT_AGAIN, OPT_GRACE,
};

/* If the group may not be listed: short, since it is extended anyway */
#define LEASE_UNKNOWN 30000000000ULL

#define TIME_EXPECTED "a time such as 10s or 500ms"

/* A time that the kernel gets; returns the exit status. */
static int option_delay(const char *option, __u64 min, __u64 *ns)
{
	__u64 v;

	if (parse_duration(optarg, &v) || v < min || v > MQBUS_DELAY_MAX)
		return cmd_bad_value(option, optarg, "a time such as 10s, up to 30d");
	*ns = v;
	return STATUS_OK;
}

static int option_time(const char *option, __u64 *ns)
{
	if (parse_duration(optarg, ns))
		return cmd_bad_value(option, optarg, TIME_EXPECTED);
	return STATUS_OK;
}

static int take_option(void *into, int key)
{
	struct run *run = into;

	switch (key) {
	case OPT_IDLE_EXIT:
		return option_time("--idle-exit", &run->idle);
	case OPT_TIMEOUT:
		return option_time("--timeout", &run->timeout);
	case OPT_KILL_AFTER:
		return option_time("--kill-after", &run->kill_after);
	case OPT_GRACE:
		return option_time("--grace", &run->grace);
	case OPT_LEASE:
		return option_delay("--lease", 1, &run->lease);
	case OPT_AGAIN:
		return option_delay("--again", 0, &run->again);
	}
	return STATUS_OK;
}

/* The group's lease time, to know when to extend. */
static __u64 group_lease(const struct run *run)
{
	struct mqbus_admin_group *groups = NULL;
	__u64 lease = LEASE_UNKNOWN;
	size_t n;

	if (mqbus_admin_group_list(run->subject.topic, run->subject.group, &groups, &n))
		return lease;
	if (n)
		lease = groups->queue.lease;
	free(groups);
	return lease;
}

static const struct option_row rows[] = {
	{ "topic", 't', "TOPIC", OPTION_STRING(struct run, subject.topic) },
	{ "group", 'g', "GROUP", "a queue group (mqbus queue; group create -t queue)",
	  OPTION_STRING(struct run, subject.group) },
	{ "jobs", 'j', "N", "run N at a time (default 1)",
	  OPTION_UPTO(struct run, workers, RUN_WORKERS_MAX) },
	{ "count", 'c', "N", "end after N records", OPTION_NUMBER(struct run, count) },
	{ "idle-exit", OPT_IDLE_EXIT, "TIME", "end when there was no record for this long" },
	{ "timeout", OPT_TIMEOUT, "TIME",
	  "let COMMAND run this long; then it gets SIGTERM and its\n"
	  "record is nacked" },
	{ "kill-after", OPT_KILL_AFTER, "TIME", "SIGKILL this long after that (default 5s)" },
	{ "lease", OPT_LEASE, "TIME",
	  "lease a record for this long, extended while COMMAND runs\n"
	  "(default: the group's lease time)" },
	{ "again", OPT_AGAIN, "TIME",
	  "hand a released record (status 75) out\n"
	  "again after this long (default 1s)" },
	{ "grace", OPT_GRACE, "TIME",
	  "let running COMMANDs continue for this long when it\n"
	  "stops (default: to their end)" },
	{ "to", 0, "TOPIC",
	  "publish the output of COMMAND, a record for each line, with\n"
	  "the key of its input record, if its status is 0: in one\n"
	  "step with the ack, so exactly once even if a process is\n"
	  "killed. Waits while TOPIC is full",
	  OPTION_STRING(struct run, to) },
	{ "raw", 0, NULL, "the whole output is one record", OPTION_FLAG(struct run, raw) },
	{ "verbose", 'v', NULL, "print a line on stderr for each record",
	  OPTION_FLAG(struct run, verbose) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus run -t TOPIC -g GROUP [OPTION]... [--] COMMAND [ARGUMENT]...\n\n"
		 "Start COMMAND for each record of a queue group. The record's value is its stdin.\n\n",
	.rows = rows,
	.more = "\nThe exit of COMMAND settles its record:\n"
		"  status 0  ack: done                 status 65  reject: to the dead letters, now\n"
		"  status 75 release: again later      other      nack: again after the backoff\n"
		"  a signal  the record counts as failed and is handed out again at once\n\n"
		"Its environment: MQBUS_TOPIC, MQBUS_GROUP, MQBUS_PARTITION, MQBUS_OFFSET,\n"
		"MQBUS_ATTEMPT (from 1), MQBUS_TIME (seconds since 1970), MQBUS_KEY,\n"
		"MQBUS_ROUTING_KEY, and MQBUS_HEADER_<name>: bytes of the name that are not letters\n"
		"or digits become '_'. Parts that are missing or contain a NUL byte are not set.\n\n"
		"With --to a COMMAND can print up to 1023 lines, 320K with 64 bytes for each and its key\n"
		"counted; if it prints more, or a line is too long for TOPIC, its record is nacked.\n"
		"\n"
		"SIGTERM, SIGINT and SIGHUP stop it: running COMMANDs end and are settled. A second one\n"
		"ends them and releases their records.\n\n"
		"Exit status: 0 stopped, or --count or --idle-exit reached; 1 failed; 2 usage;\n"
		"126 COMMAND cannot be executed; 127 there is no such COMMAND.\n",
	.column = 26,
	/* Options after the command are the command's */
	.ends = true,
	.take = take_option,
};

int cmd_run(int argc, char **argv)
{
	struct run run = {
		.workers = 1,
		.count = ULLONG_MAX,
		.idle = RUN_NEVER,
		.timeout = RUN_NEVER,
		.kill_after = 5000000000ULL,
		.grace = RUN_NEVER,
		.again = 1000000000ULL,
	};
	int ret;

	ret = option_parse(&table, argc, argv, &run);
	if (ret >= 0)
		return ret;
	if (!run.subject.topic)
		return cmd_usage_error("run: which topic? (-t TOPIC)");
	if (!run.subject.group)
		return cmd_usage_error("run: which group? (-g GROUP)");
	if (optind == argc)
		return cmd_usage_error("run: which command?");
	if (run.raw && !run.to)
		return cmd_usage_error("run: --raw goes with --to");
	run.argv = argv + optind;
	if (!run.lease)
		run.lease = group_lease(&run);
	return run_pool(&run);
}
