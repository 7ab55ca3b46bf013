// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <stdio.h>

#include "common/cmd.h"
#include "common/error.h"
#include "common/option.h"
#include "common/output.h"
#include "mqbus.h"

static const char info_help[] =
	"Usage: mqbus info [-j|--json]\n\n"
	"Print the limits of this network namespace (sysctl net.mqbus.*), of each user and of the\n"
	"machine (/sys/module/mqbus/parameters/), and their usage.\n";

static int print_info(const struct mqbus_info *i)
{
	char used[32], max[32];

	output_field("bytes", "%s of %s in use (net.mqbus.max_bytes)",
		     output_size(used, i->used_bytes), output_size(max, i->max_bytes));
	output_field("user bytes",
		     "%s of %s in use (/sys/module/mqbus/parameters/max_user_mbytes)",
		     output_size(used, i->used_user_bytes), output_size(max, i->max_user_bytes));
	output_field("all bytes",
		     "%s of %s in use on the machine (/sys/module/mqbus/parameters/max_mbytes)",
		     output_size(used, i->used_machine_bytes),
		     output_size(max, i->max_machine_bytes));
	output_field("topics", "up to %u (net.mqbus.max_topics)", i->max_topics);
	output_field("groups", "up to %u of each topic (net.mqbus.max_groups)", i->max_groups);
	output_field("cpus", "%u: partitions of a per-CPU topic", i->cpus);
	output_field("record", "%u bytes of header", i->record_header);
	return STATUS_OK;
}

static json_t *info_json(const struct mqbus_info *i)
{
	return json_pack("{s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I}",
			 "used_bytes", (json_int_t)i->used_bytes,
			 "max_bytes", (json_int_t)i->max_bytes,
			 "max_user_bytes", (json_int_t)i->max_user_bytes,
			 "used_user_bytes", (json_int_t)i->used_user_bytes,
			 "max_machine_bytes", (json_int_t)i->max_machine_bytes,
			 "used_machine_bytes", (json_int_t)i->used_machine_bytes,
			 "max_topics", (json_int_t)i->max_topics,
			 "max_groups", (json_int_t)i->max_groups,
			 "page_size", (json_int_t)i->page_size,
			 "cpus", (json_int_t)i->cpus,
			 "record_header", (json_int_t)i->record_header,
			 "features", (json_int_t)i->features);
}

int cmd_info(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_INFO };
	struct mqbus_info info;
	bool json = false;
	int ret;

	ret = option_parse_json(info_help, argc, argv, &json);
	if (ret >= 0)
		return ret;
	if (argc != optind)
		return cmd_usage_error("info takes no names");
	ret = mqbus_info(&info);
	if (ret)
		return error_report(&subject, ret);
	return json ? output_json(info_json(&info)) : print_info(&info);
}
