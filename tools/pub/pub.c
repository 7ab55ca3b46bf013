// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/error.h"
#include "common/format.h"
#include "common/holder.h"
#include "common/input.h"
#include "common/option.h"
#include "common/parse.h"
#include "mqbus.h"
#include "wait.h"

#define BATCH_DEFAULT 64
/* ns without a stored record after which pub tells what it waits for; the event is before */
#define NOTE_AFTER 1100000000LL

/**
 * struct pub - a run of mqbus pub
 * @producer: where to
 * @subject: for messages
 * @model: the common parts of all records
 * @headers: the headers of all records
 * @nr_headers: their number
 * @separator: between key and value, or NULL
 * @raw: files are records
 * @report: print the running sum
 * @quiet: no summary, and no note
 * @noted: what it waits for was told
 * @timeout: ns
 * @batch: most records in a call
 * @max_record: largest record
 * @msgs: the records of the next call
 * @n: number of @msgs
 * @input: name of the current file
 * @line: number of the last line taken from it
 * @name: of the producer, or ""
 * @seq: number of the next record to publish under @name
 * @last: number of the last one that was stored under it before
 * @next: begin after that
 * @numbered: --seq-from was given
 * @skipped: records that were stored before
 * @wait: groups to wait for at the end
 * @places: places of the records of a call
 * @stored: records stored so far
 * @bytes: bytes of their values
 */
struct pub {
	struct mqbus_producer *producer;
	struct error_subject subject;
	struct mqbus_msg model;
	char headers[MQBUS_HEADERS_MAX];
	__u32 nr_headers;
	const char *separator;
	bool raw;
	bool report;
	bool quiet;
	bool noted;
	__s64 timeout;
	__u32 batch;
	__u32 max_record;
	struct mqbus_msg *msgs;
	__u32 n;
	const char *input;
	__u64 line;
	const char *name;
	__u64 seq;
	__u64 last;
	bool next;
	bool numbered;
	__u64 skipped;
	struct pub_wait wait;
	struct mqbus_place *places;
	__u64 stored;
	__u64 bytes;
};

/* The place of record number @line in the input; returns @buf. */
static const char *pub_where(const struct pub *pub, char buf[512], __u64 line)
{
	if (pub->raw)
		snprintf(buf, 512, "%s", pub->input);
	else
		snprintf(buf, 512, "line %llu of %s", line, pub->input);
	return buf;
}

static size_t msg_bytes(const struct mqbus_msg *msg)
{
	return (size_t)msg->value_len + msg->headers_len + msg->key_len + msg->routing_key_len;
}

static int pub_interrupted(void)
{
	return cmd_signal() ? STATUS_SIGNAL + cmd_signal() : STATUS_OK;
}

/* Count stored records, and print the sum for --report. */
static int pub_count(struct pub *pub, const struct mqbus_msg *msgs, __u32 n, __u32 duplicates)
{
	__u32 i;

	for (i = duplicates; i < n; i++)
		pub->bytes += msgs[i].value_len;
	pub->seq += n;
	pub->stored += n - duplicates;
	pub->skipped += duplicates;
	if (pub->wait.nr_groups)
		pub_wait_note(&pub->wait, pub->places, n);
	if (!pub->report)
		return STATUS_OK;
	if (printf("stored %llu\n", pub->stored) < 0 || fflush(stdout))
		return error_say(&pub->subject, "stdout: %s", strerror(errno));
	return STATUS_OK;
}

/* Tell once what it waits for. */
static void pub_note(struct pub *pub)
{
	struct error_subject subject = { .topic = pub->subject.topic };
	int why = mqbus_producer_why(pub->producer);
	struct text text = { 0 };

	pub->noted = true;
	/* The module is older */
	if (why <= 0)
		return;
	holder_tell_why(subject.topic, why, &text);
	text_add(&text, "", 1);
	error_say(&subject, "waits: %s", text.data);
	text_free(&text);
}

/* What is left of the timeout for a call begun at @start; until the note, only so much of it. */
static __s64 pub_left(const struct pub *pub, __u64 start)
{
	__s64 left = pub->timeout, past = cmd_now() - start;

	if (left >= 0)
		left = left > past ? left - past : !!left;
	return !pub->quiet && !pub->noted && (left < 0 || left > NOTE_AFTER) ? NOTE_AFTER : left;
}

/*
 * Whether a call timed out although there is time left: it was to end for the note, which is due
 * unless it has stored records meanwhile.
 */
static bool pub_goes_on(struct pub *pub, __u64 start, int stored)
{
	if (pub->timeout >= 0 && cmd_now() - start >= (__u64)pub->timeout)
		return false;
	if (stored <= 0)
		pub_note(pub);
	return true;
}

/* Publish the gathered records. */
static int pub_flush(struct pub *pub)
{
	__u32 done, duplicates, n = pub->n;
	__u64 start = cmd_now();
	char where[512];
	int error, ret;

	pub->n = 0;
	for (done = 0; done < n; done += ret) {
		ret = mqbus_producer_publish_seq(pub->producer, pub->msgs + done, n - done,
						 *pub->name ? pub->seq : 0,
						 pub->wait.nr_groups ? pub->places : NULL,
						 pub_left(pub, start), &duplicates, &error);
		if (error == -ETIMEDOUT && pub_goes_on(pub, start, ret))
			error = 0;
		if (ret < 0 && error && error != -EINTR)
			break;
		if (ret < 0)
			ret = 0;
		if (pub_count(pub, pub->msgs + done, ret, ret ? duplicates : 0))
			return STATUS_FAILED;
		/* Even if some were stored before it: the rest would wait for ever */
		if (cmd_signal())
			return pub_interrupted();
		/* Why the next one was not stored is known: to ask again would wait again */
		if (error && error != -EINTR) {
			done += ret;
			break;
		}
	}
	if (done == n)
		return STATUS_OK;
	if (error == -EPROTO)
		return error_say(&pub->subject,
				 "number %llu leaves a gap: the last one stored under the name '%s' is %llu (--seq-from next)",
				 pub->seq, pub->name, pub->last);
	pub->subject.where = pub_where(pub, where, pub->line - n + done + 1);
	pub->subject.bytes = msg_bytes(&pub->msgs[done]);
	ret = mqbus_producer_why(pub->producer);
	pub->subject.why = ret > 0 ? ret : 0;
	return error_report(&pub->subject, error);
}

/*
 * A record that is too long; checked here since its lengths may not
 * even fit their fields. Records before it are still published.
 */
static int pub_too_long(struct pub *pub, const char *what, size_t bytes, size_t max)
{
	char where[512];
	int ret;

	ret = pub_flush(pub);
	if (ret)
		return ret;
	pub->subject.where = pub_where(pub, where, pub->line + 1);
	return error_say(&pub->subject, "%s %zu bytes is over the maximum of %zu%s", what,
			 bytes, max, max == MQBUS_KEY_MAX ? "" : " (topic create --max-record)");
}

/* Add a record; its memory must stay until the next flush. */
static int pub_add(struct pub *pub, char *value, size_t len)
{
	struct mqbus_msg *msg = &pub->msgs[pub->n];
	size_t key_len, bytes;
	char *found = NULL;

	if (*pub->name && pub->seq <= pub->last) {
		pub->line++;
		pub->seq++;
		pub->skipped++;
		return STATUS_OK;
	}
	*msg = pub->model;
	key_len = msg->key_len;
	if (pub->separator)
		found = memmem(value, len, pub->separator, strlen(pub->separator));
	if (found) {
		msg->key = (__u64)(uintptr_t)value;
		key_len = found - value;
		found += strlen(pub->separator);
		len -= found - value;
		value = found;
	}
	bytes = len + key_len + msg->headers_len + msg->routing_key_len;
	if (key_len > MQBUS_KEY_MAX)
		return pub_too_long(pub, "key of", key_len, MQBUS_KEY_MAX);
	if (bytes > pub->max_record)
		return pub_too_long(pub, "record of", bytes, pub->max_record);
	msg->value = (__u64)(uintptr_t)value;
	msg->value_len = len;
	msg->key_len = key_len;
	pub->line++;
	return ++pub->n < pub->batch ? STATUS_OK : pub_flush(pub);
}

/* input_fill() failed. */
static int pub_input_error(struct pub *pub, const struct input *in, int err)
{
	if (err == -EINTR)
		return pub_interrupted();
	if (err == -EMSGSIZE)
		return pub_too_long(pub, "record of more than", in->end, pub->max_record);
	return error_say(&pub->subject, "%s: %s", in->name, strerror(-err));
}

static int pub_lines(struct pub *pub, struct input *in)
{
	size_t len;
	char *line;
	long n;
	int ret;

	for (;;) {
		while (input_line(in, &line, &len)) {
			ret = pub_add(pub, line, len);
			if (ret)
				return ret;
		}
		/* Reading may wait, and moves the memory of the records */
		ret = pub_flush(pub);
		if (!ret)
			ret = pub_interrupted();
		if (ret || in->eof)
			return ret;
		n = input_fill(in);
		if (n < 0)
			return pub_input_error(pub, in, n);
	}
}

static int pub_raw(struct pub *pub, struct input *in)
{
	long n;
	int ret;

	do
		n = input_fill(in);
	while (n > 0);
	if (n < 0)
		return pub_input_error(pub, in, n);
	ret = pub_add(pub, in->buf, in->end);
	return ret ? ret : pub_flush(pub);
}

static int pub_file(struct pub *pub, const char *path)
{
	struct input in;
	int ret;

	ret = input_open(&in, path, pub->max_record);
	if (ret)
		return error_say(&pub->subject, "%s: %s", path, strerror(-ret));
	pub->input = in.name;
	pub->line = 0;
	ret = pub->raw ? pub_raw(pub, &in) : pub_lines(pub, &in);
	input_close(&in);
	return ret;
}

/* Open the topic; returns the exit status. */
static int pub_open(struct pub *pub)
{
	const struct mqbus_geometry *geometry;
	int ret;

	pub->subject.action = DO_PRODUCE;
	ret = mqbus_producer_open_named(&pub->producer, pub->subject.topic, pub->name);
	if (ret)
		return error_report(&pub->subject, ret);
	pub->last = mqbus_producer_last_seq(pub->producer);
	if (pub->next)
		pub->seq = pub->last + 1;
	geometry = mqbus_producer_geometry(pub->producer);
	pub->max_record = geometry->max_record;
	pub->subject.action = DO_PUBLISH;
	pub->subject.limit = geometry->max_record;
	pub->subject.partition = pub->model.partition;
	pub->subject.partitions = geometry->partitions;
	return pub_wait_begin(&pub->wait, &pub->subject, geometry->partitions);
}

static void pub_tell(const struct pub *pub, double seconds)
{
	if (pub->skipped)
		error_say(&pub->subject, "%llu records skipped: stored before under the name '%s'",
			  pub->skipped, pub->name);
	fprintf(stderr, "%llu records (%llu bytes) stored in %.3f s: %.0f a second\n",
		pub->stored, pub->bytes, seconds, pub->stored / seconds);
}

static int pub_run(struct pub *pub, char **files)
{
	__u64 start = cmd_now(), end;
	int ret;

	ret = pub_open(pub);
	if (ret) {
		mqbus_producer_close(pub->producer);
		return ret;
	}
	do
		ret = pub_file(pub, *files ? *files : "-");
	while (!ret && *files && *++files && !(ret = pub_interrupted()));
	mqbus_producer_close(pub->producer);
	end = cmd_now();
	pub->subject.where = NULL;
	/* The places of skipped records are unknown, so wait for all records of the topic */
	if (!ret)
		ret = pub_wait(&pub->wait, &pub->subject, pub->skipped, pub->timeout);
	if (ret || !pub->quiet)
		pub_tell(pub, (end - start) / 1e9);
	return ret;
}

static int add_header(struct pub *pub, const char *arg)
{
	const char *equals = strchr(arg, '=');
	int ret;

	if (!equals || equals == arg)
		return cmd_bad_value("--header", arg, "NAME=VALUE");
	ret = mqbus_header_add(pub->headers, sizeof(pub->headers), &pub->model.headers_len,
			       arg, equals - arg, equals + 1, strlen(equals + 1));
	if (ret || ++pub->nr_headers > MQBUS_HEADER_COUNT_MAX)
		return cmd_usage_error("a record has up to %u headers of %u bytes together",
				       MQBUS_HEADER_COUNT_MAX, MQBUS_HEADERS_MAX);
	return STATUS_OK;
}

/* A string option that goes into each record; returns the exit status. */
static int set_part(const char *option, size_t max, __u64 *address, __u16 *len)
{
	if (!*optarg || strlen(optarg) > max)
		return cmd_usage_error("%s has 1 to %zu bytes", option, max);
	*address = (__u64)(uintptr_t)optarg;
	*len = strlen(optarg);
	return STATUS_OK;
}

enum { OPT_NAME = OPTION_LONG, OPT_SEQ_FROM, OPT_WAIT_FOR };

static int take_option(void *into, int key)
{
	struct pub *pub = into;

	switch (key) {
	case 'k':
		return set_part("--key", MQBUS_KEY_MAX, &pub->model.key, &pub->model.key_len);
	case 'r':
		return set_part("--routing-key", MQBUS_ROUTING_KEY_MAX,
				&pub->model.routing_key, &pub->model.routing_key_len);
	case 'H':
		return add_header(pub, optarg);
	case 'K':
		if (!*optarg)
			return cmd_bad_value("--key-separator", optarg, "one byte or more");
		pub->separator = optarg;
		break;
	case 'p':
		if (parse_u32(optarg, MQBUS_ANY - 1, &pub->model.partition))
			return cmd_bad_value("--partition", optarg, "a number");
		break;
	case 't':
		if (parse_timeout(optarg, &pub->timeout))
			return cmd_bad_value("--timeout", optarg, "a time such as 10s or 500ms");
		break;
	case OPT_NAME:
		if (!*optarg || strlen(optarg) >= MQBUS_NAME_SIZE)
			return cmd_bad_value("--name", optarg, "a name of 1 to 127 bytes");
		pub->name = optarg;
		break;
	case OPT_SEQ_FROM:
		pub->next = !strcmp(optarg, "next");
		if (!pub->next && (parse_number(optarg, ULLONG_MAX, &pub->seq) || !pub->seq))
			return cmd_bad_value("--seq-from", optarg, "a number from 1, or next");
		pub->numbered = true;
		break;
	case OPT_WAIT_FOR:
		return pub_wait_add(&pub->wait, optarg);
	}
	return STATUS_OK;
}

static const struct option_row rows[] = {
	{ "key", 'k', "KEY", "key of all records; a key decides the partition" },
	{ "key-separator", 'K', "SEP",
	  "each line is KEY SEP VALUE; a line without SEP has no key" },
	{ "header", 'H', "NAME=VALUE", "add a header; may be repeated" },
	{ "partition", 'p', "N", "this partition" },
	{ "routing-key", 'r', "KEY" },
	{ "raw", 0, NULL, "each file is one record", OPTION_FLAG(struct pub, raw) },
	{ "batch", 'b', "N", "publish up to N records in a call (default 64)",
	  OPTION_UPTO(struct pub, batch, MQBUS_BATCH_MAX) },
	{ "timeout", 't', "TIME",
	  "wait this long for room in a full topic, and at the end for\n"
	  "--wait-for (default: for ever)" },
	{ "name", OPT_NAME, "NAME",
	  "publish under a name that outlives it: records are numbered,\n"
	  "and records stored under it before are skipped; another\n"
	  "live publisher of that name is fenced" },
	{ "seq-from", OPT_SEQ_FROM, "N|next",
	  "number of the first record (default 1); next: after the\n"
	  "last one stored under the name, so none is skipped" },
	{ "wait-for", OPT_WAIT_FOR, "GROUP",
	  "end when the group has settled all records; may be repeated" },
	{ "report", 'v', NULL, "print 'stored N', the sum so far, after each call",
	  OPTION_FLAG(struct pub, report) },
	{ "quiet", 'q', NULL, "no summary, and no note on what it waits for",
	  OPTION_FLAG(struct pub, quiet) },
	{ 0 }
};

static const struct option_table table = {
	.usage = "Usage: mqbus pub TOPIC [OPTION]... [FILE]...\n\n"
		 "Publish each line of the files (default: stdin, also as -) as a record.\n\n",
	.rows = rows,
	.more = "\n"
		"Input read so far is published before waiting for more. With --name the same files\n"
		"can be published again after a failure: only missing records are stored.\n\n"
		"Exit status: 0 all records stored; 1 not all; 2 usage; 124 timeout; 128+N signal N.\n",
	.column = 27, .take = take_option,
};

int cmd_pub(int argc, char **argv)
{
	static struct pub pub = {
		.model = { .partition = MQBUS_ANY },
		.timeout = -1,
		.name = "",
		.seq = 1,
		.batch = BATCH_DEFAULT,
	};
	int ret;

	ret = option_parse(&table, argc, argv, &pub);
	if (ret >= 0)
		return ret;
	if (optind == argc)
		return cmd_usage_error("pub: which TOPIC?");
	if (pub.separator && (pub.model.key_len || pub.raw))
		return cmd_usage_error("--key-separator goes with neither --key nor --raw");
	if (pub.numbered && !*pub.name)
		return cmd_usage_error("pub: --seq-from is for a producer with a --name");
	pub.subject.topic = argv[optind++];
	pub.model.headers = (__u64)(uintptr_t)pub.headers;
	pub.msgs = calloc(pub.batch, sizeof(*pub.msgs));
	pub.places = calloc(pub.batch, sizeof(*pub.places));
	if (!pub.msgs || !pub.places)
		return error_say(&pub.subject, "%s", strerror(ENOMEM));
	cmd_catch_signals();
	ret = pub_run(&pub, argv + optind);
	pub_wait_end(&pub.wait);
	free(pub.places);
	free(pub.msgs);
	return ret;
}
