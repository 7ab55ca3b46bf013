// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "mqbus_admin.h"
#include "common/parse.h"
#include "run.h"

static const char help[] =
	"Usage: mqbus run -t TOPIC -g GROUP [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	"\n"
	"Start COMMAND for each record of a queue group. The record's value is its stdin.\n"
	"\n"
	"  -t, --topic TOPIC\n"
	"  -g, --group GROUP       a queue group (mqbus queue; group create -t queue)\n"
	"  -j, --jobs N            so many at a time (default 1)\n"
	"  -c, --count N           end after N records\n"
	"      --idle-exit TIME    end when there was no record for this long\n"
	"      --timeout TIME      COMMAND may take this long; then it gets SIGTERM and its\n"
	"                          record is nacked\n"
	"      --kill-after TIME   and SIGKILL this long after that (default 5s)\n"
	"      --lease TIME        hold a record for this long, extended while COMMAND runs\n"
	"                          (default: what the group says)\n"
	"      --again TIME        hand a record that COMMAND wants later (status 75) out\n"
	"                          again after this long (default 1s)\n"
	"      --grace TIME        COMMANDs that run when it is to stop may go on for this\n"
	"                          long (default: to their end)\n"
	"      --to TOPIC          publish what COMMAND prints, a record for each line, with the\n"
	"                          key of the record that it works on. That is done in one step\n"
	"                          with the ack: all of it or nothing, and once, whatever is\n"
	"                          killed. Nothing is published unless its status is 0. A full\n"
	"                          TOPIC is waited for\n"
	"      --raw               all that it prints is one record\n"
	"  -v, --verbose           a line on stderr for each record\n"
	"\n"
	"What COMMAND ends with decides about its record:\n"
	"  status 0  ack: done                 status 65  reject: to the dead letters, now\n"
	"  status 75 release: again later      other      nack: again after the backoff\n"
	"  a signal  the record counts as failed and is handed out again at once\n"
	"\n"
	"Its environment: MQBUS_TOPIC, MQBUS_GROUP, MQBUS_PARTITION, MQBUS_OFFSET,\n"
	"MQBUS_ATTEMPT (from 1), MQBUS_TIME (seconds since 1970), MQBUS_KEY,\n"
	"MQBUS_ROUTING_KEY, and MQBUS_HEADER_<name>: what is no letter or digit in the name\n"
	"becomes '_'. What is not there, or has a NUL byte in it, is not set.\n"
	"\n"
	"With --to a COMMAND can print up to 1023 lines, 320K with 64 bytes for each and its key\n"
	"counted; if it prints more, or a line is too long for TOPIC, its record is nacked.\n"
	"\n"
	"SIGTERM, SIGINT and SIGHUP stop it: what runs may end and is settled. A second one\n"
	"ends what runs, and releases its records.\n"
	"\n"
	"Exit status: 0 stopped, or --count or --idle-exit reached; 1 failed; 2 usage;\n"
	"126 COMMAND cannot be executed; 127 there is no such COMMAND.\n";

enum {
	OPT_IDLE_EXIT = 256, OPT_TIMEOUT, OPT_KILL_AFTER, OPT_LEASE, OPT_AGAIN, OPT_GRACE,
	OPT_TO, OPT_RAW,
};

/* If the group may not be listed: short, for it is extended anyway */
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

/* One option; returns the exit status. */
static int run_option(struct run *run, int opt)
{
	switch (opt) {
	case 't':
		run->subject.topic = optarg;
		break;
	case 'g':
		run->subject.group = optarg;
		break;
	case 'j':
		if (parse_u32(optarg, RUN_WORKERS_MAX, &run->workers) || !run->workers)
			return cmd_bad_value("--jobs", optarg, "1 to 1024");
		break;
	case 'c':
		if (parse_number(optarg, ULLONG_MAX, &run->count))
			return cmd_bad_value("--count", optarg, "a number");
		break;
	case 'v':
		run->verbose = true;
		break;
	case OPT_TO:
		run->to = optarg;
		break;
	case OPT_RAW:
		run->raw = true;
		break;
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

/* How long the group leases, so that it is known when to extend. */
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

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "topic", required_argument, NULL, 't' },
		{ "group", required_argument, NULL, 'g' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "count", required_argument, NULL, 'c' },
		{ "idle-exit", required_argument, NULL, OPT_IDLE_EXIT },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "kill-after", required_argument, NULL, OPT_KILL_AFTER },
		{ "lease", required_argument, NULL, OPT_LEASE },
		{ "again", required_argument, NULL, OPT_AGAIN },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "to", required_argument, NULL, OPT_TO },
		{ "raw", no_argument, NULL, OPT_RAW },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct run run = {
		.workers = 1,
		.count = ULLONG_MAX,
		.idle = RUN_NEVER,
		.timeout = RUN_NEVER,
		.kill_after = 5000000000ULL,
		.grace = RUN_NEVER,
		.again = 1000000000ULL,
	};
	int opt, ret;

	/* Options behind the command are the command's */
	while ((opt = getopt_long(argc, argv, "+t:g:j:c:vh", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(help);
		if (opt == '?')
			return cmd_bad_option(argv);
		ret = run_option(&run, opt);
		if (ret)
			return ret;
	}
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
