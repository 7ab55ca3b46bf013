// SPDX-License-Identifier: GPL-2.0
/*
 * Values of options, formats of output, headers of records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "output.h"
#include "cmd.h"
#include "parse.h"
#include "test.h"

#define REFUSED (~0ULL)

static void test_numbers(void)
{
	static const struct {
		const char *text;
		__u64 size;
		__u64 time;
	} cases[] = {
		{ "0", 0, 0 },
		{ "10", 10, 10000000000 },
		{ "64K", 65536, REFUSED },
		{ "1.5M", 1572864, REFUSED },
		{ "1GiB", 1 << 30, REFUSED },
		{ "250ms", REFUSED, 250000000 },
		{ "1.5m", 1572864, 90000000000 },
		{ "0.000000001s", REFUSED, 1 },
		{ "2h", REFUSED, 7200000000000 },
		{ "1d", REFUSED, 86400000000000 },
		{ "", REFUSED, REFUSED },
		{ "K", REFUSED, REFUSED },
		{ "-1", REFUSED, REFUSED },
		{ "+1", REFUSED, REFUSED },
		{ " 1", REFUSED, REFUSED },
		{ "1 ", REFUSED, REFUSED },
		{ "1.", REFUSED, REFUSED },
		{ "1e3", REFUSED, REFUSED },
		{ "0x10", REFUSED, REFUSED },
		{ "1KK", REFUSED, REFUSED },
		{ "18446744073709551616", REFUSED, REFUSED },
		{ "18446744073709551615K", REFUSED, REFUSED },
		{ "18446744073G", REFUSED, REFUSED },
		{ "213504d", REFUSED, REFUSED },
	};
	size_t i;
	__u64 v;
	int ret;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		v = REFUSED;
		ret = parse_size(cases[i].text, &v);
		TEST(v == cases[i].size && !ret == (v != REFUSED), "size '%s'", cases[i].text);
		v = REFUSED;
		ret = parse_duration(cases[i].text, &v);
		TEST(v == cases[i].time && !ret == (v != REFUSED), "time '%s'", cases[i].text);
	}
}

static void test_backoffs(void)
{
	static const struct {
		const char *text;
		__u64 min;
		__u64 max;
		__u32 factor;
		__u32 jitter;
	} cases[] = {
		{ "0", MQBUS_BACKOFF_NONE, 0, 0, 0 },
		{ "0:1s:3:5%", MQBUS_BACKOFF_NONE, 0, 0, 0 },
		{ "100ms", 100000000, MQBUS_BACKOFF_MAX_DEFAULT, 200, 0 },
		{ "1m", 60000000000, 60000000000, 200, 0 },
		{ "2m", 120000000000, 120000000000, 200, 0 },
		{ "1:5", 1000000000, 5000000000, 200, 0 },
		{ "1s:1s:1", 1000000000, 1000000000, 100, 0 },
		{ "1s:2m:1.5:20%", 1000000000, 120000000000, 150, 20 },
		{ "1s:2m:10.25:7", 1000000000, 120000000000, 1025, 7 },
	};
	static const char * const wrong[] = {
		"", ":", "1:", "2s:1s", "1:2:", "1:2:0", "1:2:x", "1:2:3:", "1:2:3:%", "1:2:3:4:5",
		"-1", "1:2:3:4%%", "1:2:99999999999", "1:2:3:00000000000000000000000000000000001",
	};
	struct mqbus_queue_options queue;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		TEST(!parse_backoff(cases[i].text, &queue) && queue.backoff_min == cases[i].min &&
		     queue.backoff_max == cases[i].max && queue.backoff_factor == cases[i].factor &&
		     queue.backoff_jitter == cases[i].jitter, "backoff '%s'", cases[i].text);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		TEST(parse_backoff(wrong[i], &queue), "no backoff: '%s'", wrong[i]);
}

static void test_limits(void)
{
	static const struct {
		const char *text;
		__u64 records;
		__u64 bytes;
		__u64 share;
	} cases[] = {
		{ "none", 0, 0, 0 },
		{ "0", 0, 0, REFUSED },
		{ "10", 10, 10, 10 },
		{ "100%", REFUSED, REFUSED, 100 },
		{ "101", 101, 101, REFUSED },
		{ "1000/s", 1000, 1000, REFUSED },
		{ "1M/s", REFUSED, 1048576, REFUSED },
		{ "1000000000000/s", 1000000000000, 1000000000000, REFUSED },
		{ "1000000000001", REFUSED, REFUSED, REFUSED },
		{ "", REFUSED, REFUSED, REFUSED },
		{ "/s", REFUSED, REFUSED, REFUSED },
		{ "%", REFUSED, REFUSED, REFUSED },
		{ "1/m", REFUSED, REFUSED, REFUSED },
		{ "1/s/s", REFUSED, REFUSED, REFUSED },
		{ "-1", REFUSED, REFUSED, REFUSED },
		{ "5:5", REFUSED, REFUSED, REFUSED },
		{ "00000000000000000000000000000000001", REFUSED, REFUSED, REFUSED },
	};
	size_t i;
	__u32 share;
	__u64 v;
	int ret;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		v = REFUSED;
		ret = parse_rate(cases[i].text, false, &v);
		TEST(v == cases[i].records && !ret == (v != REFUSED), "rate '%s'", cases[i].text);
		v = REFUSED;
		ret = parse_rate(cases[i].text, true, &v);
		TEST(v == cases[i].bytes && !ret == (v != REFUSED), "rate of bytes '%s'",
		     cases[i].text);
		share = MQBUS_ANY;
		ret = parse_share(cases[i].text, &share);
		TEST(share == (__u32)cases[i].share && !ret == (share != MQBUS_ANY), "share '%s'",
		     cases[i].text);
	}
}

static void test_moves(void)
{
	static const char * const wrong[] = {
		"+", "-", "+-1", "--1", "+ 1", "+1.5", "+x", "-9223372036854775808", "",
	};
	struct place_spec place;
	size_t i;

	TEST(!parse_move("+3", &place) && place.whence == MQBUS_WHENCE_SHIFT && place.value == 3,
	     "so many on");
	TEST(!parse_move("-3", &place) && place.whence == MQBUS_WHENCE_SHIFT &&
	     (__s64)place.value == -3, "so many back");
	TEST(!parse_move("3", &place) && place.whence == MQBUS_WHENCE_OFFSET && place.value == 3,
	     "else a place");
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		TEST(parse_move(wrong[i], &place) == -EINVAL, "no move: '%s'", wrong[i]);
	TEST(parse_place("+3", &place) && parse_place("-3", &place), "a move is no place");
}

static void test_modes(void)
{
	__u32 mode = 1, uid, gid;

	TEST(!parse_mode("0640", 0666, &mode) && mode == 0640, "mode 0640");
	TEST(!parse_mode("0", 0666, &mode) && !mode, "mode 0");
	TEST(!parse_mode("0755", 0777, &mode) && mode == 0755, "mode 0755");
	TEST(parse_mode("0755", 0666, &mode) && parse_mode("888", 0666, &mode) &&
	     parse_mode("rw", 0666, &mode) && parse_mode("", 0666, &mode) &&
	     parse_mode("-1", 0666, &mode), "modes that are none");
	TEST(!parse_owner("root", &uid, &gid) && !uid && gid == MQBUS_ANY, "owner root");
	TEST(!parse_owner("12:root", &uid, &gid) && uid == 12 && !gid, "owner 12:root");
	TEST(!parse_owner(":34", &uid, &gid) && uid == MQBUS_ANY && gid == 34, "owner :34");
	TEST(parse_owner("", &uid, &gid) && parse_owner("root:", &uid, &gid) &&
	     parse_owner("no such user", &uid, &gid) && parse_owner("4294967295", &uid, &gid),
	     "owners that are none");
}

static void test_places(void)
{
	static const struct {
		const char *text;
		enum mqbus_whence whence;
		__u64 value;
	} cases[] = {
		{ "earliest", MQBUS_WHENCE_EARLIEST, 0 },
		{ "latest", MQBUS_WHENCE_LATEST, 0 },
		{ "0", MQBUS_WHENCE_OFFSET, 0 },
		{ "18446744073709551615", MQBUS_WHENCE_OFFSET, ~0ULL },
		{ "@0", MQBUS_WHENCE_TIME, 0 },
		{ "@1714557600", MQBUS_WHENCE_TIME, 1714557600000000000 },
		{ "@1714557600.000000001", MQBUS_WHENCE_TIME, 1714557600000000001 },
		{ "@2024-05-01T10:00:00Z", MQBUS_WHENCE_TIME, 1714557600000000000 },
		{ "@2024-05-01T12:00:00.25+02:00", MQBUS_WHENCE_TIME, 1714557600250000000 },
		{ "@2024-05-01 10:00:00", MQBUS_WHENCE_TIME, 1714557600000000000 },
		{ "@2024-05-01T10:00", MQBUS_WHENCE_TIME, 1714557600000000000 },
		{ "@2024-05-01", MQBUS_WHENCE_TIME, 1714521600000000000 },
	};
	static const char * const wrong[] = {
		"", "@", "-1", "begin", "@now", "@-1", "@1714557600s", "@2024-13-01",
		"@2024-05-01x", "@2024-05-01T10:00:00.", "@1960-01-01",
	};
	struct place_spec place;
	size_t i;

	setenv("TZ", "UTC", 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(&place, 0xff, sizeof(place));
		TEST(!parse_place(cases[i].text, &place) && place.whence == cases[i].whence &&
		     place.value == cases[i].value, "place '%s'", cases[i].text);
	}
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		TEST(parse_place(wrong[i], &place) == -EINVAL, "no place: '%s'", wrong[i]);
}

static void test_units(void)
{
	char buf[32];

	TEST(!strcmp(output_size(buf, 0), "0 B"), "0 bytes");
	TEST(!strcmp(output_size(buf, 1023), "1023 B"), "1023 bytes");
	TEST(!strcmp(output_size(buf, 1 << 20), "1 MiB"), "a mebibyte");
	TEST(!strcmp(output_size(buf, 1536), "1.5 KiB"), "one and a half kibibytes");
	TEST(!strcmp(output_duration(buf, 90000000000), "90 s"), "90 seconds");
	TEST(!strcmp(output_duration(buf, 120000000000), "2 m"), "2 minutes");
	TEST(!strcmp(output_duration(buf, 1500000), "1500 us"), "1.5 milliseconds");
}

/* A record with all parts, headers "a" = "1" and "b" = "". */
static struct mqbus_record *make_record(void)
{
	static __u64 memory[64];
	struct mqbus_record *r = (void *)memory;
	char *part = (char *)(r + 1);
	unsigned int used = 0;

	memset(memory, 0, sizeof(memory));
	r->offset = 7;
	r->time = 1234567890;
	r->value_len = 3;
	r->key_len = 2;
	r->routing_key_len = 1;
	memcpy(part, "v\0\377kkr", 6);
	TEST(!mqbus_header_add(part + 6, 64, &used, "a", 1, "1", 1) &&
	     !mqbus_header_add(part + 6, 64, &used, "b", 1, NULL, 0), "headers are added");
	TEST(mqbus_header_add(part + 6, 64, &used, "", 0, "x", 1) == -EINVAL, "not without name");
	TEST(mqbus_header_add(part + 6, used + 5, &used, "c", 1, "x", 1) == -EMSGSIZE &&
	     mqbus_header_add(part + 6, ~0UL, &used, "c", 1, "x", 65536) == -EMSGSIZE,
	     "nor where they do not fit");
	r->headers_len = used;
	return r;
}

static void test_format(void)
{
	static const struct {
		const char *format;
		const char *text;
		size_t len;
	} cases[] = {
		{ "%s", "v\0\xff", 3 },
		{ "%t/%p/%o/%k/%r/%S/%K/%T", "topic/3/7/kk/r/3/2/1234", 23 },
		{ "%h", "a=1,b=", 6 },
		{ "100%%\\n\\t\\\\\\x41\\0", "100%\n\t\\A\0", 9 },
		{ "%L %a", "0 1", 3 },
		{ "", "", 0 },
	};
	static const struct mqbus_leased lease = { .lease = 12, .offset = 5, .attempt = 2 };
	static const char * const wrong[] = { "%", "a%q", "\\", "\\q", "\\x4", "\\xg0", "%-5s" };
	static const char * const json[] = {
		"{\"topic\":\"topic\",\"partition\":3,\"offset\":7,\"time_ns\":1234567890,",
		"\"key\":\"kk\",\"routing_key\":\"r\",",
		"\"headers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\"\"}],",
		"\"value_base64\":true,\"value\":\"dgD/\"}\n",
	};
	struct format_source from = { .topic = "topic", .partition = 3 };
	const struct mqbus_record *r = make_record();
	struct text out = { 0 };
	struct format *f;
	const char *bad;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		out.len = 0;
		f = format_compile(cases[i].format, &bad);
		if (f)
			format_record(f, &from, r, false, &out);
		TEST(f && out.len == cases[i].len &&
		     (!out.len || !memcmp(out.data, cases[i].text, out.len)),
		     "format '%s'", cases[i].format);
		format_free(f);
	}
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		TEST(!format_compile(wrong[i], &bad) && strstr(wrong[i], bad) == bad,
		     "no format: '%s'", wrong[i]);
	out.len = 0;
	format_json(&from, r, &out);
	text_add(&out, "", 1);
	for (i = 0; i < ARRAY_SIZE(json); i++)
		TEST(strstr(out.data, json[i]), "a piece of JSON, number %zu", i);
	out.len = 0;
	from.lease = &lease;
	f = format_compile("%o/%L/%a", &bad);
	format_record(f, &from, r, false, &out);
	format_json(&from, r, &out);
	text_add(&out, "", 1);
	TEST(!memcmp(out.data, "5/12/2{", 7), "a leased record: its lease tells its offset");
	TEST(strstr(out.data, "\"offset\":5,") && strstr(out.data, "\"lease\":12,\"attempt\":2,"),
	     "and in JSON");
	format_free(f);
	text_free(&out);
}

/* Headers whose lengths lie are never read beyond the block. */
static void test_torn_headers(void)
{
	struct {
		struct mqbus_record r;
		char block[8];
	} m = { .r.headers_len = 8 };
	struct mqbus_header h = { .name_len = 1, .value_len = 4 };
	struct mqbus_header_view view;
	unsigned int iter = 0;

	memcpy(m.block, &h, sizeof(h));
	TEST(!mqbus_record_header(&m.r, &iter, &view), "a header longer than its block");
	h.value_len = 2;
	memcpy(m.block, &h, sizeof(h));
	TEST(mqbus_record_header(&m.r, &iter, &view) && view.value_len == 2, "a shorter one");
	TEST(!mqbus_record_header(&m.r, &iter, &view), "and the rest that is none");
}

int main(void)
{
	test_begin();
	test_numbers();
	test_backoffs();
	test_limits();
	test_moves();
	test_modes();
	test_places();
	test_units();
	test_format();
	test_torn_headers();
	return test_end();
}
