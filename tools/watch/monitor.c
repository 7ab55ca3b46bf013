// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <linux/mqbus_netlink.h>

#include "common/error.h"
#include "common/escape.h"
#include "common/format.h"
#include "common/names.h"
#include "common/option.h"
#include "common/output.h"
#include "common/parse.h"
#include "mqbus_admin.h"
#include "wait.h"

#define BUFFER_DEFAULT (4 << 20)

/**
 * struct monitor - what was asked for
 * @topic: the only one, or NULL
 * @kinds: bits 1 << enum mqbus_event_kind; 0 is all
 * @json: print JSON
 * @left: events still to be printed
 * @buffer: bytes of room for events
 */
struct monitor {
	const char *topic;
	__u32 kinds;
	bool json;
	__u64 left;
	__u64 buffer;
};

static void print_time(struct text *out, __u64 ns)
{
	time_t seconds = ns / 1000000000;
	char buf[64];
	struct tm tm;

	strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
	text_printf(out, "%s.%06llu", buf, ns % 1000000000 / 1000);
}

/**
 * struct field - an attribute and how it is printed
 * @attr: MQBUS_A_EVENT_*
 * @name: its name
 * @string: a string, or NULL
 * @value: else a number
 */
struct field {
	int attr;
	const char *name;
	const char *string;
	__u64 value;
};

#define FIELDS_MAX 16

/* All attributes but kind and time, of which only those that @e has are printed. */
static size_t fields(const struct mqbus_admin_event *e, struct field f[FIELDS_MAX])
{
	const struct field all[] = {
		{ MQBUS_A_EVENT_TOPIC, "topic", .string = e->topic },
		{ MQBUS_A_EVENT_GROUP, "group", .string = e->group },
		{ MQBUS_A_EVENT_MEMBER, "member", .string = e->member },
		{ MQBUS_A_EVENT_PID, "pid", .value = e->pid },
		{ MQBUS_A_EVENT_COMM, "comm", .string = e->comm },
		{ MQBUS_A_EVENT_UID, "uid", .value = e->uid },
		{ MQBUS_A_EVENT_PARTITION, "partition", .value = e->partition },
		{ MQBUS_A_EVENT_OFFSET, "offset", .value = e->offset },
		{ MQBUS_A_EVENT_COUNT, "count", .value = e->count },
		{ MQBUS_A_EVENT_REASON, "reason", .string = e->reason },
		{ MQBUS_A_EVENT_GENERATION, "generation", .value = e->generation },
		{ MQBUS_A_EVENT_LAG, "lag", .value = e->lag },
		{ MQBUS_A_EVENT_LIMIT, "limit", .value = e->limit },
		{ MQBUS_A_EVENT_BLOCKED_TIME, "blocked_ns", .value = e->blocked_time },
	};
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (e->has & 1U << all[i].attr)
			f[n++] = all[i];
	}
	return n;
}

static void event_text(const struct mqbus_admin_event *e, struct text *out)
{
	struct field f[FIELDS_MAX];
	size_t i, n = fields(e, f);

	print_time(out, e->time);
	text_printf(out, " %s", names_event(e->kind));
	for (i = 0; i < n; i++) {
		text_printf(out, " %s=", f[i].name);
		if (f[i].string)
			escape_text(out, f[i].string, strlen(f[i].string),
				    ESCAPE_BACKSLASH | ESCAPE_SPACE);
		else
			text_printf(out, "%llu", f[i].value);
	}
	text_add(out, "\n", 1);
}

static void event_json(const struct mqbus_admin_event *e, struct text *out)
{
	struct field f[FIELDS_MAX];
	size_t i, n = fields(e, f);
	json_t *o, *v;

	o = json_pack("{s:I s:s}", "time_ns", (json_int_t)e->time, "kind", names_event(e->kind));
	for (i = 0; i < n; i++) {
		if (f[i].string)
			v = escape_json(f[i].string, strlen(f[i].string));
		else
			v = json_integer(f[i].value);
		json_object_set_new(o, f[i].name, v);
	}
	text_json(out, o);
}

/* Print that events were lost; 0: unknown how many. */
static void overrun(const struct monitor *m, __u64 lost, struct text *out)
{
	if (m->json)
		text_json(out, json_pack("{s:s s:o}", "kind", "overrun", "count",
					 lost ? json_integer(lost) : json_null()));
	else if (lost)
		fprintf(stderr, "mqbus: %llu events were lost: they came too fast\n", lost);
	else
		fputs("mqbus: events were lost: they came too fast\n", stderr);
}

static bool wanted(const struct monitor *m, const struct mqbus_admin_event *e)
{
	return (!m->kinds || (e->kind < 32 && m->kinds & 1U << e->kind)) &&
	       (!m->topic || !strcmp(m->topic, e->topic));
}

/* Print all events that have arrived; 0, a negative errno or an exit status. */
static int drain(struct monitor *m, struct mqbus_admin_listener *l)
{
	struct text out = { 0 };
	struct mqbus_admin_event event;
	__u64 lost;
	int ret = 0;

	while (m->left && (ret = mqbus_admin_listener_next(l, &event, &lost))) {
		if (ret == -ENOBUFS) {
			overrun(m, lost, &out);
		} else if (ret < 0) {
			break;
		} else if (wanted(m, &event)) {
			m->left--;
			if (m->json)
				event_json(&event, &out);
			else
				event_text(&event, &out);
		}
		/* Without an end of events there is none of this loop */
		if (out.len > 65536)
			break;
	}
	text_write(&out, stdout);
	if (fflush(stdout))
		return STATUS_FAILED;
	return ret < 0 && ret != -ENOBUFS ? ret : 0;
}

static int monitor_run(struct monitor *m)
{
	struct error_subject subject = { .action = DO_LISTEN };
	struct mqbus_admin_listener *l;
	int ret;

	wait_catch_signals();
	ret = mqbus_admin_listener_open(&l, m->buffer);
	if (ret)
		return error_report(&subject, ret);
	while (!ret && m->left) {
		wait_until(mqbus_admin_listener_fd(l), WAIT_FOREVER);
		if (cmd_signal())
			break;
		ret = drain(m, l);
	}
	mqbus_admin_listener_close(l);
	if (ret == -ENODEV)
		return error_say(&subject, "the module was unloaded");
	if (ret)
		return ret < 0 ? error_report(&subject, ret) : ret;
	return m->left && cmd_signal() ? STATUS_SIGNAL + cmd_signal() : STATUS_OK;
}

static int take_option(void *into, int key)
{
	struct monitor *m = into;
	__u32 kind;

	switch (key) {
	case 'k':
		if (names_event_parse(optarg, &kind))
			return cmd_bad_value("--kind", optarg, "a kind of event");
		m->kinds |= 1U << kind;
		break;
	case 'c':
		if (parse_number(optarg, ~0ULL, &m->left) || !m->left)
			return cmd_bad_value("--count", optarg, "a number from 1");
		break;
	case 'b':
		if (parse_size(optarg, &m->buffer) || m->buffer > INT_MAX / 2)
			return cmd_bad_value("--buffer", optarg, "a size up to 1G");
		break;
	}
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "kind", 'k', "KIND",
	  "only events of this kind; may be repeated:\n"
	  "topic-made, topic-deleted, group-made, group-deleted,\n"
	  "member-joined, member-left, member-died, member-fenced,\n"
	  "rebalanced, dead-letter, lost, lag-above, lag-below,\n"
	  "producer-blocked" },
	{ "count", 'c', "N", "end after N events" },
	{ "buffer", 'b', "BYTES",
	  "room for events while the output blocks (default\n"
	  "4M; without root at most sysctl net.core.rmem_max)" },
	{ "json", 'j', NULL, "print each event as a line of JSON",
	  OPTION_FLAG(struct monitor, json) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus monitor [TOPIC] [OPTION]...\n\n"
		 "Print events as they happen, until a signal arrives or the module is unloaded.\n\n",
	.rows = rows,
	.more = "\n"
		"Events are of topics of this user and of topics that everybody may read; root gets\n"
		"all, and before Linux 6.8 only root may listen. If events come too fast, the number\n"
		"lost is printed on stderr, in JSON as {\"kind\":\"overrun\",\"count\":N}; null is unknown.\n",
	.column = 20, .take = take_option,
};

int cmd_monitor(int argc, char **argv)
{
	struct monitor m = { .left = ~0ULL, .buffer = BUFFER_DEFAULT };
	int ret;

	ret = option_parse(&table, argc, argv, &m);
	if (ret >= 0)
		return ret;
	if (argc - optind > 1)
		return cmd_usage_error("monitor takes one TOPIC at most");
	m.topic = argv[optind];
	return monitor_run(&m);
}
