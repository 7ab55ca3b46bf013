// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "format.h"
#include "mqbus.h"
#include "parse.h"

static const char help[] =
	"Usage: mqbus sub TOPIC -g GROUP [OPTION]...\n"
	"\n"
	"Print the records of a topic as a member of a group. A record is committed once\n"
	"it was written to stdout: what a killed reader had not written is read again.\n"
	"\n"
	"  -g, --group GROUP    made if it is not there\n"
	"  -o, --offset WHERE   where a new group begins: earliest (default), latest, an\n"
	"                       offset, @TIME; a group that is there goes on where it was\n"
	"      --no-create      the group must be there\n"
	"  -c, --count N        end after N records\n"
	"  -e, --exit           end when there is no more to read\n"
	"  -t, --timeout TIME   end when no record came for this long (status 124)\n"
	"  -f, --format FORMAT  default '%s\\n'\n"
	"  -j, --json           a line of JSON for each record\n"
	"  -q, --quiet          no notes on stderr, not even of lost records\n"
	"\n"
	"FORMAT:\n"
	"  %t topic      %p partition     %o offset           %T time in ms since 1970\n"
	"  %s value      %k key           %r routing key      %h headers NAME=VALUE,...\n"
	"  %S its bytes  %K its bytes     %% percent sign     \\n \\r \\t \\0 \\\\ \\xNN\n"
	"\n"
	"@TIME is @SECONDS[.FRACTION] since 1970 or @2024-05-01T10:00:00Z.\n"
	"\n"
	"Exit status: 0 done; 1 failed; 2 usage; 124 timeout; 128+N signal N.\n";

/* Written, and then committed, when this much has come together */
#define OUTPUT_SIZE (256 * 1024)

/**
 * struct sub - a run of mqbus sub
 * @consumer: the member
 * @subject: for messages
 * @format: of the output
 * @json: JSON instead of @format
 * @create: make the group if needed
 * @place: where a new group begins
 * @placed: whether @place was given
 * @exit: end when there is no more
 * @quiet: no notes
 * @timeout: ns
 * @left: records still to read
 * @out: not written yet
 * @lost: lost records told so far
 */
struct sub {
	struct mqbus_consumer *consumer;
	struct error_subject subject;
	struct format *format;
	bool json;
	bool create;
	struct place_spec place;
	bool placed;
	bool exit;
	bool quiet;
	__s64 timeout;
	__u64 left;
	struct text out;
	__u64 lost;
};

static int sub_report(struct sub *sub, enum error_action action, int err)
{
	sub->subject.action = action;
	return error_report(&sub->subject, err);
}

/* Join the group, making it first if it is not there. */
static int sub_join(struct sub *sub)
{
	const char *topic = sub->subject.topic;
	const char *group = sub->subject.group;
	int ret;

	ret = mqbus_consumer_open(&sub->consumer, topic, group);
	if (!ret && sub->placed && !sub->quiet)
		error_say(&sub->subject, "goes on where it was: -o is for new groups (group seek)");
	if (ret != -ENOENT || !sub->create)
		return ret ? sub_report(sub, DO_JOIN, ret) : STATUS_OK;
	ret = mqbus_group_create(topic, group, sub->place.whence, sub->place.value,
				 parse_default_mode());
	/* Another reader may have been quicker */
	if (ret && ret != -EEXIST)
		return sub_report(sub, DO_GROUP_CREATE, ret);
	ret = mqbus_consumer_open(&sub->consumer, topic, group);
	return ret ? sub_report(sub, DO_JOIN, ret) : STATUS_OK;
}

static int sub_write(struct sub *sub)
{
	size_t done = 0;
	ssize_t n;

	while (done < sub->out.len) {
		n = write(STDOUT_FILENO, sub->out.data + done, sub->out.len - done);
		if (n < 0 && (errno != EINTR || cmd_signal())) {
			n = -errno;
			sub->out.len = 0;
			if (n == -EINTR)
				return STATUS_SIGNAL + cmd_signal();
			if (n == -EPIPE && sub->quiet)
				return STATUS_FAILED;
			return error_say(&sub->subject,
					 "stdout: %s: the last records are not committed",
					 strerror(-n));
		}
		if (n > 0)
			done += n;
	}
	sub->out.len = 0;
	return STATUS_OK;
}

static void sub_tell_lost(struct sub *sub)
{
	__u64 lost = mqbus_consumer_lost(sub->consumer);

	if (lost != sub->lost && !sub->quiet)
		error_say(&sub->subject, "%llu records lost: evicted before they were read",
			  lost - sub->lost);
	sub->lost = lost;
}

/* Write first, then commit: a record may be seen twice, but not never. */
static int sub_flush(struct sub *sub)
{
	int ret;

	ret = sub_write(sub);
	if (ret)
		return ret;
	ret = mqbus_consumer_commit(sub->consumer);
	if (ret)
		return sub_report(sub, DO_COMMIT, ret);
	sub_tell_lost(sub);
	return STATUS_OK;
}

/* Print what the last fetch brought. */
static int sub_drain(struct sub *sub)
{
	const struct mqbus_record *r;
	__u32 partition;
	int ret;

	while (sub->left) {
		r = mqbus_consumer_next(sub->consumer, &partition);
		if (!r)
			break;
		if (sub->json)
			format_json(sub->subject.topic, partition, r, &sub->out);
		else
			format_record(sub->format, sub->subject.topic, partition, r, &sub->out);
		sub->left--;
		if (sub->out.len < OUTPUT_SIZE)
			continue;
		ret = sub_flush(sub);
		if (ret)
			return ret;
	}
	return sub_flush(sub);
}

static int sub_run(struct sub *sub)
{
	int ret;

	while (sub->left) {
		if (cmd_signal())
			return STATUS_SIGNAL + cmd_signal();
		ret = mqbus_consumer_fetch(sub->consumer, 0, sub->exit ? 0 : sub->timeout);
		if (ret == -EAGAIN && sub->exit)
			return STATUS_OK;
		/* A timeout of 0 is one, too */
		if (ret == -EAGAIN)
			ret = -ETIMEDOUT;
		if (ret == -EINTR)
			continue;
		if (ret == -ETIMEDOUT && sub->quiet)
			return STATUS_TIMEOUT;
		if (ret < 0)
			return sub_report(sub, DO_FETCH, ret);
		ret = sub_drain(sub);
		if (ret)
			return ret;
	}
	return STATUS_OK;
}

enum { OPT_NO_CREATE = 256 };

/* One option; returns the exit status. */
static int sub_option(struct sub *sub, int opt, const char **format)
{
	switch (opt) {
	case 'g':
		sub->subject.group = optarg;
		break;
	case 'o':
		if (parse_place(optarg, &sub->place))
			return cmd_bad_value("--offset", optarg, PLACE_EXPECTED);
		sub->placed = true;
		break;
	case OPT_NO_CREATE:
		sub->create = false;
		break;
	case 'c':
		if (parse_number(optarg, ULLONG_MAX, &sub->left))
			return cmd_bad_value("--count", optarg, "a number");
		break;
	case 'e':
		sub->exit = true;
		break;
	case 't':
		if (parse_timeout(optarg, &sub->timeout))
			return cmd_bad_value("--timeout", optarg, "a time such as 10s or 500ms");
		break;
	case 'f':
		*format = optarg;
		break;
	case 'j':
		sub->json = true;
		break;
	case 'q':
		sub->quiet = true;
		break;
	}
	return STATUS_OK;
}

static int sub_start(struct sub *sub)
{
	int ret;

	ret = sub_join(sub);
	if (ret)
		return ret;
	ret = sub_run(sub);
	sub_tell_lost(sub);
	if (sub->lost && !sub->quiet)
		error_say(&sub->subject, "%llu records lost in all", sub->lost);
	mqbus_consumer_close(sub->consumer);
	return ret;
}

int cmd_sub(int argc, char **argv)
{
	static const struct option options[] = {
		{ "group", required_argument, NULL, 'g' },
		{ "offset", required_argument, NULL, 'o' },
		{ "no-create", no_argument, NULL, OPT_NO_CREATE },
		{ "count", required_argument, NULL, 'c' },
		{ "exit", no_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' },
		{ "format", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct sub sub = { .create = true, .timeout = -1, .left = ULLONG_MAX };
	const char *format = "%s\\n";
	const char *bad;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "g:o:c:et:f:jqh", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(help);
		if (opt == '?')
			return cmd_bad_option(argv);
		ret = sub_option(&sub, opt, &format);
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return cmd_usage_error("sub takes one TOPIC");
	if (!sub.subject.group)
		return cmd_usage_error("sub: which group? (-g GROUP)");
	sub.subject.topic = argv[optind];
	sub.format = format_compile(format, &bad);
	if (!sub.format)
		return cmd_bad_value("--format", bad, "a letter of --help behind the % or \\");
	cmd_catch_signals();
	signal(SIGPIPE, SIG_IGN);
	ret = sub_start(&sub);
	text_free(&sub.out);
	format_free(sub.format);
	return ret;
}
