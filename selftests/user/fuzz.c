// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes into what prints what others have chosen, and into what reads options: what
 * comes out is harmless, of the width that it says, and tells the same. With libFuzzer this
 * is its target; without, main() feeds it random bytes.
 */
#include <locale.h>
#include <stdint.h>
#include <unistd.h>

#include "escape.h"
#include "format.h"
#include "output.h"
#include "parse.h"
#include "screen.h"
#include "test.h"

#define CHECK(ok) do {								\
	if (!(ok)) {								\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok);	\
		abort();							\
	}									\
} while (0)

static void fuzz_text(const char *s, size_t len, unsigned int how)
{
	struct text t = { 0 }, cut = { 0 };
	char buf[64];
	int width;

	escape_text(&t, s, len, how);
	if (!(how & ESCAPE_LINES)) {
		CHECK(screen_harmless(t.data, t.len) && !memchr(t.data ? t.data : "", '\n', t.len));
		width = escape_width(t.data, t.len);
		CHECK(width == screen_columns(t.data, t.len));
		escape_column(&cut, t.data, t.len, width / 2, how & ESCAPE_SPACE, true);
		CHECK(screen_columns(cut.data, cut.len) == width / 2);
	}
	if (how & ESCAPE_SPACE && t.len)
		CHECK(!memchr(t.data, ' ', t.len));
	escape_cut(buf, 1 + len % sizeof(buf), s, len);
	CHECK(strlen(buf) <= len % sizeof(buf) && screen_harmless(buf, strlen(buf)));
	text_free(&t);
	text_free(&cut);
}

/* Pieces of the input as cells of three columns, all of which begin where they should. */
static void fuzz_table(char *s, size_t len)
{
	struct table table = { 0 };
	const char *line, *last;
	struct screen screen;
	size_t rows = 0;
	char *end = s + len;
	int at = -1, column;

	screen_begin(&screen);
	table_head(&table, ">A\tB\tC");
	while (s < end && rows < 32) {
		const char *first = s, *second;

		s += strlen(s) + 1;
		second = s < end ? s : "";
		table_row(&table, "%s\t%s\t%s", first, second, "=");
		s += strlen(second) + 1;
		rows++;
	}
	table_print(&table);
	screen_end(&screen);
	CHECK(screen_harmless(screen.text, screen.len));
	for (line = screen.text; *line; line = last + 1, rows--) {
		last = strchr(line, '\n');
		column = screen_columns(line, last - line - 1);
		CHECK((last[-1] == '=' || last[-1] == 'C') && (at < 0 || column == at));
		at = column;
	}
	CHECK(rows + 1 == 0);
	free(screen.text);
}

static void fuzz_json(const char *s, size_t len)
{
	json_t *value = escape_json(s, len), *again;
	struct text t = { 0 };

	escape_json_dump(&t, value, JSON_ENCODE_ANY);
	CHECK(screen_harmless(t.data, t.len) && !memchr(t.data, '\n', t.len));
	again = json_loadb(t.data, t.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	CHECK(again && json_equal(value, again));
	json_decref(value);
	json_decref(again);
	text_free(&t);
}

/* The end of a label is where it is put. */
static void fuzz_label(const char *s)
{
	struct text t = { 0 };
	size_t i;

	escape_text(&t, s, strlen(s), ESCAPE_LABEL);
	for (i = 0; i < t.len; i++) {
		CHECK(t.data[i] != '"' && t.data[i] != '\n');
		if (t.data[i] == '\\')
			CHECK(++i < t.len && strchr("\\\"n", t.data[i]));
	}
	text_free(&t);
}

static void fuzz_format(const char *s, size_t len)
{
	struct {
		struct mqbus_record r;
		char parts[64];
	} m = { 0 };
	struct format_source from = { .topic = "t" };
	struct text t = { 0 };
	const char *bad = NULL;
	struct format *f;

	len = len < sizeof(m.parts) ? len : sizeof(m.parts);
	memcpy(m.parts, s, len);
	m.r.value_len = len / 4;
	m.r.key_len = len / 4;
	m.r.headers_len = len - 2 * (len / 4);
	f = format_compile(s, &bad);
	CHECK(f || (bad >= s && bad < s + strlen(s)));
	if (f)
		format_record(f, &from, &m.r, true, &t);
	t.len = 0;
	format_json(&from, &m.r, &t);
	CHECK(screen_harmless(t.data, t.len));
	format_free(f);
	text_free(&t);
}

static void fuzz_options(char *s)
{
	struct place_spec place;
	struct mqbus_queue_options queue;
	__u32 u32, u32b;
	__s64 s64;
	__u64 u64;

	parse_number(s, ~0ULL, &u64);
	parse_u32(s, 10, &u32);
	parse_size(s, &u64);
	parse_duration(s, &u64);
	if (!parse_interval(s, &u64))
		CHECK(u64 >= 1000000 && u64 <= MQBUS_DELAY_MAX);
	if (!parse_timeout(s, &s64))
		CHECK(s64 >= 0);
	if (!parse_rate(s, true, &u64))
		CHECK(u64 <= MQBUS_RATE_MAX);
	parse_rate(s, false, &u64);
	if (!parse_share(s, &u32))
		CHECK(u32 <= 100);
	if (!parse_backoff(s, &queue))
		CHECK(queue.backoff_max >= queue.backoff_min ||
		      queue.backoff_min == MQBUS_BACKOFF_NONE);
	if (!parse_mode(s, 0777, &u32))
		CHECK(!(u32 & ~0777));
	/* Names are asked for elsewhere, which takes time */
	if (s[strspn(s, "0123456789:")] == '\0')
		parse_owner(s, &u32, &u32b);
	parse_move(s, &place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char nothing[1];
	unsigned int how;
	char *s;

	setenv("LC_ALL", "C.UTF-8", 1);
	setlocale(LC_CTYPE, "");
	how = size ? data[0] % 8 : 0;
	data = size ? data + 1 : (const uint8_t *)nothing;
	size -= !!size;
	s = malloc(size + 1);
	if (!s)
		abort();
	memcpy(s, data, size);
	s[size] = '\0';
	fuzz_text(s, size, how);
	fuzz_json(s, size);
	fuzz_label(s);
	fuzz_format(s, size);
	fuzz_options(s);
	fuzz_table(s, size);
	free(s);
	return 0;
}

#ifndef FUZZER
#define ROUNDS	20000

/* Mostly what means something: beginnings and rests of letters, digits, units, marks */
static const char likely[] = "\t\n\33\\\"%\302\233\303\266\346\274\242\314\201\342\200\256\0\0"
			     "01239.:+-@/KMGsdmh%ptoksxrnlL>";

int main(void)
{
	const char *seed = getenv("SEED");
	uint8_t data[300];
	size_t len, i;
	int round;

	test_begin();
	srand(seed ? atoi(seed) : 1);
	for (round = 0; round < ROUNDS; round++) {
		len = rand() % (round % 10 ? 40 : sizeof(data));
		for (i = 0; i < len; i++)
			data[i] = rand() % 4 ? likely[rand() % sizeof(likely)] : rand();
		LLVMFuzzerTestOneInput(data, len);
	}
	TEST(true, "%d times random bytes", ROUNDS);
	return test_end();
}
#endif
