// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/names.h"
#include "common/option.h"
#include "mqbus_admin.h"
#include "sub.h"

int sub_report(struct sub *sub, enum error_action action, int err)
{
	sub->subject.action = action;
	return error_report(&sub->subject, err);
}

void sub_tell_paused(struct sub *sub)
{
	const char *topic = sub->subject.topic, *group = sub->subject.group;
	struct mqbus_admin_group *groups;
	size_t n;

	if (sub->quiet || mqbus_admin_group_list(topic, group, &groups, &n))
		return;
	if (n && groups->paused)
		error_say(&sub->subject,
			  "is paused and hands out nothing (mqbus group resume %s %s)", topic,
			  group);
	free(groups);
}

int sub_wait_failed(struct sub *sub, enum error_action action, int err)
{
	if (err == -EAGAIN || err == -ETIMEDOUT)
		sub_tell_paused(sub);
	if (err == -EAGAIN && sub->exit)
		return STATUS_OK;
	/* A timeout of 0 is one, too */
	if (err == -EAGAIN)
		err = -ETIMEDOUT;
	if (err == -EINTR)
		return cmd_signal() ? STATUS_SIGNAL + cmd_signal() : -1;
	if (err == -ETIMEDOUT && sub->quiet)
		return STATUS_TIMEOUT;
	return sub_report(sub, action, err);
}

void sub_joined(struct sub *sub)
{
	if (sub->placed && !sub->quiet)
		error_say(&sub->subject,
			  "continues where it was: -o is for new groups (group seek)");
	/* Else it is told when the wait ends */
	if (!sub->exit && sub->timeout < 0)
		sub_tell_paused(sub);
}

void sub_tell_made(struct sub *sub)
{
	if (!sub->quiet)
		error_say(&sub->subject,
			  "created: the topic keeps records until this group has read them (group delete)");
}

void sub_print(struct sub *sub, const struct format_source *from, const struct mqbus_record *r)
{
	if (sub->json)
		format_json(from, r, &sub->out);
	else
		format_record(sub->format, from, r, !sub->raw, &sub->out);
}

int sub_write(struct sub *sub, const char *fate)
{
	size_t done = 0;
	ssize_t n;

	while (done < sub->out.len) {
		n = write(STDOUT_FILENO, sub->out.data + done, sub->out.len - done);
		/* A signal in the middle makes the write short */
		if (n >= 0 && (size_t)n < sub->out.len - done && cmd_signal()) {
			n = -1;
			errno = EINTR;
		}
		if (n < 0 && (errno != EINTR || cmd_signal())) {
			n = -errno;
			sub->out.len = 0;
			if (n == -EINTR)
				return STATUS_SIGNAL + cmd_signal();
			if (n == -EPIPE && sub->quiet)
				return STATUS_FAILED;
			return error_say(&sub->subject, "stdout: %s: the last records are %s",
					 strerror(-n), fate);
		}
		if (n > 0)
			done += n;
	}
	sub->out.len = 0;
	return STATUS_OK;
}

enum { OPT_TYPE = OPTION_LONG, OPT_MEMBER, OPT_ACK, OPT_LEASE };

/* One option of queue groups; returns the exit status. */
static int take_queue_option(struct sub *sub, int key)
{
	static const char * const acks[] = {
		[SUB_ACK_AUTO] = "auto",
		[SUB_ACK_ON_EXIT] = "on-exit",
		[SUB_ACK_MANUAL] = "manual",
	};

	sub->leasing = true;
	switch (key) {
	case OPT_ACK:
		if (parse_choice(acks, ARRAY_SIZE(acks), optarg, &sub->ack))
			return cmd_bad_value("--ack", optarg, "auto, on-exit or manual");
		break;
	case OPT_LEASE:
		if (parse_timeout(optarg, &sub->lease) || !sub->lease ||
		    sub->lease > (__s64)MQBUS_DELAY_MAX)
			return cmd_bad_value("--lease", optarg, "a time up to 30 days such as 30s");
		break;
	}
	return STATUS_OK;
}

static int take_option(void *into, int key)
{
	struct sub *sub = into;

	switch (key) {
	case OPT_TYPE:
		if (names_group_type_parse(optarg, &sub->type))
			return cmd_bad_value("--type", optarg, "stream or queue");
		break;
	case 'o':
		if (parse_place(optarg, &sub->place))
			return cmd_bad_value("--offset", optarg, PLACE_EXPECTED);
		sub->placed = true;
		break;
	case OPT_MEMBER:
		if (!*optarg || strlen(optarg) >= MQBUS_NAME_SIZE)
			return cmd_bad_value("--member", optarg, "an id of 1 to 127 bytes");
		sub->member = optarg;
		break;
	case 't':
		/* A group's type is not a time, so -t can mean both */
		if (names_group_type_parse(optarg, &sub->type) &&
		    parse_timeout(optarg, &sub->timeout))
			return cmd_bad_value("--timeout", optarg, "a time such as 10s or 500ms");
		break;
	default:
		return take_queue_option(sub, key);
	}
	return STATUS_OK;
}

/* Check the options together; returns the exit status. */
static int sub_check(struct sub *sub)
{
	if (!sub->subject.group && (sub->type == MQBUS_GROUP_QUEUE || *sub->member))
		return cmd_usage_error("sub: which group? (-g GROUP)");
	if (sub->type != MQBUS_GROUP_QUEUE && (sub->leasing || sub->batch))
		return cmd_usage_error("sub: --ack, --lease and --batch are for -t queue");
	if (sub->type == MQBUS_GROUP_QUEUE && *sub->member)
		return cmd_usage_error("sub: --member is for stream groups");
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "group", 'g', "GROUP",
	  "created if it does not exist; it keeps records until its\n"
	  "members have read them. Without -g nothing is kept: what is\n"
	  "dropped before it is read is lost",
	  OPTION_STRING(struct sub, subject.group) },
	{ "type", OPT_TYPE, "stream|queue, -t queue",
	  "of the group (default stream); a queue group shares its\n"
	  "records among its members, which settle each by itself" },
	{ "offset", 'o', "WHERE",
	  "where a new group begins: earliest (default), latest, an\n"
	  "offset, @TIME; an existing group continues where it was" },
	{ "no-create", 0, NULL, "fail if the group does not exist",
	  OPTION_FLAG(struct sub, no_create) },
	{ "count", 'c', "N", "end after N records", OPTION_NUMBER(struct sub, left) },
	{ "exit", 'e', NULL, "end when there is no more to read", OPTION_FLAG(struct sub, exit) },
	{ "timeout", 't', "TIME", "end when no record came for this long (status 124)" },
	{ "format", 'f', "FORMAT", "default '%s\\n'", OPTION_STRING(struct sub, given) },
	{ "json", 'j', NULL, "print a line of JSON for each record",
	  OPTION_FLAG(struct sub, json) },
	{ "raw", 0, NULL,
	  "print records unchanged on a terminal, too, instead of\n"
	  "unprintable bytes as \\xNN",
	  OPTION_FLAG(struct sub, raw) },
	{ "quiet", 'q', NULL, "no notes on stderr, not even of lost records",
	  OPTION_FLAG(struct sub, quiet) },
	{ .help = "\nOf a stream group, whose members share the partitions of the topic:" },
	{ "member", OPT_MEMBER, "ID",
	  "join with this id: after the member left, its partitions are\n"
	  "kept for the group's grace time (group create --grace)" },
	{ .help = "\nOf a queue group:" },
	{ "ack", OPT_ACK, "auto", "ack each record after it is written (default)" },
	{ "ack", OPT_ACK, "on-exit",
	  "ack all at the end if the exit status is 0, else release all" },
	{ "ack", OPT_ACK, "manual",
	  "settle each by a line on stdin:\n"
	  "  ack ID      nack ID [DELAY]    release ID [DELAY]\n"
	  "  reject ID   extend ID [TIME]\n"
	  "Records not settled when it ends, or at the end of stdin, are\n"
	  "released. Default FORMAT '%L\\t%s\\n'" },
	{ "lease", OPT_LEASE, "TIME", "how long leases last (default: the group's lease time)" },
	{ "batch", 'b', "N", "lease N at a time, with --ack manual: hold up to N (default 64)",
	  OPTION_UPTO(struct sub, batch, MQBUS_LEASE_MAX) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus sub TOPIC [-g GROUP] [OPTION]...\n"
		 "       mqbus peek TOPIC [OPTION]...\n\n"
		 "Print the records of a topic. As a member of a group: a record is committed once it\n"
		 "is written to stdout, and records that a killed reader had not written are read again.\n"
		 "Without a group: no producer waits for this reader, and nothing is left behind. peek\n"
		 "prints what is there and ends.\n\n",
	.rows = rows,
	.more = "\nFORMAT:\n"
		"  %t topic      %p partition     %o offset           %T time in ms since 1970\n"
		"  %s value      %k key           %r routing key      %h headers NAME=VALUE,...\n"
		"  %S its bytes  %K its bytes     %% percent sign     \\n \\r \\t \\0 \\\\ \\xNN\n"
		"  %L ID of the lease             %a attempt, from 1\n\n"
		"@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z; other TIMEs and\n"
		"DELAYs take ms, s (default), m, h, d.\n\n"
		"Exit status: 0 done; 1 failed; 2 usage; 124 timeout; 128+N signal N.\n",
	.column = 23, .take = take_option,
};

int cmd_sub(int argc, char **argv)
{
	struct sub sub = { .timeout = -1, .left = ULLONG_MAX, .member = "" };
	const char *bad;
	int ret;

	ret = option_parse(&table, argc, argv, &sub);
	if (ret >= 0)
		return ret;
	if (argc - optind != 1)
		return cmd_usage_error("%s takes one TOPIC", argv[0]);
	if (!strcmp(argv[0], "peek")) {
		if (sub.subject.group)
			return cmd_usage_error("peek takes no group (sub -g)");
		sub.exit = true;
	}
	ret = sub_check(&sub);
	if (ret)
		return ret;
	sub.subject.topic = argv[optind];
	if (!sub.given)
		sub.given = sub.ack == SUB_ACK_MANUAL ? "%L\\t%s\\n" : "%s\\n";
	sub.format = format_compile(sub.given, &bad);
	if (!sub.format)
		return cmd_bad_value("--format", bad, "a letter of --help after % or \\");
	sub.raw |= !isatty(STDOUT_FILENO);
	cmd_catch_signals();
	signal(SIGPIPE, SIG_IGN);
	ret = sub.type == MQBUS_GROUP_QUEUE ? sub_queue(&sub) : sub_stream(&sub);
	text_free(&sub.out);
	format_free(sub.format);
	return ret;
}
