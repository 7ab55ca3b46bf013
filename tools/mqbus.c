// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "common/cmd.h"

static const struct cmd commands[] = {
	{ "topic", cmd_topic, "create, set, list, show and delete topics" },
	{ "group", cmd_group, "create, set, pause, list, show, delete and seek consumer groups" },
	{ "pub", cmd_pub, "publish lines or files to a topic" },
	{ "sub", cmd_sub, "read a topic, alone or as a member of a group" },
	{ "peek", cmd_sub, "print the records of a topic, and leave no trace" },
	{ "run", cmd_run, "start a command for each record of a queue group" },
	{ "queue", cmd_queue, "create a topic, a queue group and a topic for dead letters" },
	{ "dlq", cmd_dlq, "list, show, redrive and purge dead letters" },
	{ "stat", cmd_stat, "totals and rates of topics and groups" },
	{ "lag", cmd_lag, "how far groups are behind, and whether they keep up" },
	{ "monitor", cmd_monitor, "print events as they come" },
	{ "top", cmd_top, "watch topics, groups and members on a terminal" },
	{ "exporter", cmd_exporter, "serve the figures to Prometheus" },
	{ "bench", cmd_bench, "measure and verify throughput" },
	{ "bus", cmd_bus, "let other network namespaces join this one's bus" },
	{ "info", cmd_info, "limits and usage of this network namespace" },
	{ NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	cmd_begin();
	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		puts("mqbus " MQBUS_VERSION);
		return STATUS_OK;
	}
	return cmd_dispatch(commands, "mqbus", argc, argv);
}
