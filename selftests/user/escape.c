// SPDX-License-Identifier: GPL-2.0
/*
 * What others have chosen, before people and programs get it: names of processes that tear
 * a table apart, keys and values that tell the terminal what to do.
 */
#include <locale.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"
#include "format.h"
#include "output.h"
#include "screen.h"
#include "test.h"

static bool is(struct text *t, const char *want)
{
	bool same = t->len == strlen(want) && (!t->len || !memcmp(t->data, want, t->len));

	if (!same)
		printf("# want: %s\n# got:  %.*s\n", want, (int)t->len, t->data);
	t->len = 0;
	return same;
}

static bool is_text(const void *s, size_t len, unsigned int how, const char *want)
{
	struct text t = { 0 };
	bool same;

	escape_text(&t, s, len, how);
	same = is(&t, want);
	text_free(&t);
	return same;
}

static void test_text(void)
{
	static const struct {
		const char *what;
		const char *text;
		unsigned int how;
		const char *want;
	} cases[] = {
		{ "plain text", "a b\\c", 0, "a b\\c" },
		{ "tab and line feed", "a\tb\nc", 0, "a\\x09b\\x0ac" },
		{ "in a value of several lines", "a\tb\nc\r", ESCAPE_LINES, "a\tb\nc\\x0d" },
		{ "the title of a window", "\33]0;x\7", 0, "\\x1b]0;x\\x07" },
		{ "DEL", "\177", 0, "\\x7f" },
		{ "a letter of two bytes", "\u00f6", 0, "\u00f6" },
		{ "of three and of four", "\u6f22\U0001f600", 0, "\u6f22\U0001f600" },
		{ "cut in the middle", "gr\u00f6a\303", 0, "gr\u00f6a\\xc3" },
		{ "a rest without a beginning", "\266x", 0, "\\xb6x" },
		{ "CSI in one byte", "\23331m", 0, "\\x9b31m" },
		{ "and as UTF-8", "\302\23331m", 0, "\\xc2\\x9b31m" },
		{ "longer than needed", "\300\200\301\277\340\202\233", 0,
		  "\\xc0\\x80\\xc1\\xbf\\xe0\\x82\\x9b" },
		{ "half of a pair", "\355\240\200", 0, "\\xed\\xa0\\x80" },
		{ "above the last one", "\364\220\200\200\370\210\200\200\200", 0,
		  "\\xf4\\x90\\x80\\x80\\xf8\\x88\\x80\\x80\\x80" },
		{ "right to left", "a\u202eb\u2066c\u200f", 0,
		  "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6c\\xe2\\x80\\x8f" },
		{ "a separator of lines", "a\u2028b", 0, "a\\xe2\\x80\\xa8b" },
		{ "a combining letter", "e\u0301", 0, "e\u0301" },
		{ "a word", "a b\\\t", ESCAPE_BACKSLASH | ESCAPE_SPACE, "a\\x20b\\x5c\\x09" },
	};
	char all[256];
	struct text t = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		TEST(is_text(cases[i].text, strlen(cases[i].text), cases[i].how, cases[i].want),
		     "%s", cases[i].what);
	TEST(is_text("a\0b", 3, 0, "a\\x00b"), "NUL");
	for (i = 0; i < sizeof(all); i++)
		all[i] = i;
	escape_text(&t, all, sizeof(all), 0);
	TEST(screen_harmless(t.data, t.len) && !memchr(t.data, '\n', t.len) &&
	     t.len == 95 + 4 * (256 - 95), "each byte by itself");
	text_free(&t);
}

static void test_cut(void)
{
	char buf[8];

	TEST(!strcmp(escape_cut(buf, 8, "abcdefghi", 9), "abcdefg"), "as much as fits");
	TEST(!strcmp(escape_cut(buf, 8, "abcdef\u00f6", 8), "abcdef"), "no half of a letter");
	TEST(!strcmp(escape_cut(buf, 8, "abcd\tx", 6), "abcd"), "no half of an escape");
	TEST(!strcmp(escape_cut(buf, 8, "abc\t", 4), "abc\\x09"), "one that fits");
	TEST(!strcmp(escape_cut(buf, 1, "abc", 3), ""), "room for nothing");
	TEST(!strcmp(escape_cut(buf, 8, NULL, 0), ""), "nothing");
}

static void test_columns(void)
{
	struct text t = { 0 };

	TEST(escape_width("e\u0301\u6f22x", 7) == 4, "the width of combining and wide letters");
	escape_column(&t, "ab", 2, 4, false, false);
	TEST(is(&t, "ab  "), "filled up");
	escape_column(&t, "\u6f22", 3, 4, true, false);
	TEST(is(&t, "  \u6f22"), "to the right, by its width");
	escape_column(&t, "abc", 3, 2, false, false);
	TEST(is(&t, "abc"), "not cut");
	escape_column(&t, "abc\u0301\u0301d", 8, 3, false, true);
	TEST(is(&t, "abc\u0301\u0301"), "cut behind what belongs to a letter");
	escape_column(&t, "a\u6f22", 4, 2, false, true);
	TEST(is(&t, "a "), "cut before a letter that is too wide");
	text_free(&t);
}

/* Whether a format is printed as printf() does it. */
#define SAME_PRINT(fmt, ...) do {						\
	struct text printed = { 0 };						\
	char want[512];								\
										\
	snprintf(want, sizeof(want), fmt, __VA_ARGS__);				\
	escape_printf(&printed, fmt, __VA_ARGS__);				\
	TEST(is(&printed, want), "as printf(): %s", #fmt);			\
	text_free(&printed);							\
} while (0)

static void test_printf(void)
{
	struct text t = { 0 };

	SAME_PRINT("%d %i%% %u %x %X %o %c|", -1, 2, ~0U, 255, 255, 8, 'x');
	SAME_PRINT("%04o %5d %-5d %+d %#x %.3d", 0640, 7, 7, 7, 7, 7);
	SAME_PRINT("%llu %lld %lu %ld %zu", ~0ULL, -1LL, ~0UL, -1L, (size_t)~0UL);
	SAME_PRINT("%.0f %g %.3f %8.2e", 1e300, 1.5, 2.0, 12345.6);
	SAME_PRINT("%s|%5s|%-5s|%.2s|%*s|%-*s|%.*s|%*s|%5.1s", "abc", "abc", "abc", "abc", 4, "abc",
		   4, "abc", 1, "abc", -4, "abc", "abc");
	SAME_PRINT("%s%s", "", "");
	escape_printf(&t, "a\t%s\n%-4s|%4s|", "x\ty\n", "\u6f22", "\377");
	TEST(is(&t, "a\tx\\x09y\\x0a\n\u6f22  |\\xff|"), "only what a %%s stands for is escaped");
	escape_printf(&t, "%.2s|", "a\u00f6");
	TEST(is(&t, "a\\xc3|"), "cut by a number of bytes");
	text_free(&t);
}

/* A table of a process with that name, between two others. */
static void test_table(const char *what, const char *comm)
{
	struct table table = { 0 };
	struct screen s;
	const char *line;
	int lines = 0, at = -1, column;
	bool straight = true;

	screen_begin(&s);
	table_head(&table, "STATE\t>PID\tCOMMAND\tUSER\t>LEASES");
	table_row(&table, "%s\t%u\t%s\t%s\t%d", "active", 1, "cat", "root", 3);
	table_row(&table, "%s\t%u\t%s\t%s\t%d", "active", 123456, comm, "root", 3);
	table_row(&table, "%s\t%u\t%s\t%s\t%d", "standby", 7, "\u6f22\u5b57", "root", 3);
	table_print(&table);
	screen_end(&s);
	/* The user begins in the same column of each line */
	for (line = s.text; *line; line = strchr(line, '\n') + 1, lines++) {
		const char *user = strstr(line, lines ? "root" : "USER");

		column = user ? screen_columns(line, user - line) : -2;
		if (!lines)
			at = column;
		straight &= column == at;
	}
	TEST(lines == 4 && straight && screen_harmless(s.text, s.len) && s.len < 400,
	     "table: %s", what);
	free(s.text);
}

static void test_tables(void)
{
	struct table table = { 0 };
	struct screen s;
	int i;

	test_table("a name", "consumer");
	test_table("no name", "");
	test_table("15 tabs", "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t");
	test_table("a line feed", "x\nnext line");
	test_table("escape sequences", "\33]0;x\7\33[31mred");
	test_table("cut in a letter", "consumer-gr\u00f6a\303");
	test_table("wide letters", "\u6f22\u5b57\u6f22\u5b57\u6f22");
	test_table("combining letters only", "\u0301\u0301\u0301\u0301\u0301\u0301\u0301");
	test_table("bytes of 8 bits", "\200\201\202\203\204\233\240\260\376\377\300\301");
	test_table("a mark of a heading", ">x>");

	screen_begin(&s);
	table_head(&table, "A\t>B");
	table_row(&table, "%s\t%d", "x", 12);
	table_print(&table);
	table_print(&table);
	screen_end(&s);
	TEST(!strcmp(s.text, "A   B\nx  12\n"), "a table; once");
	free(s.text);

	screen_begin(&s);
	for (i = 0; i < 40; i++)
		table_row(&table, "%d\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t%s", i, "end");
	table_print(&table);
	screen_end(&s);
	TEST(s.len == 40 * (2 + 20 * 2 + 4), "of as many columns as a row has");
	free(s.text);
}

static bool json_is(json_t *value, const char *want)
{
	struct text t = { 0 };
	bool same;

	escape_json_dump(&t, value, JSON_ENCODE_ANY);
	json_decref(value);
	same = is(&t, want);
	text_free(&t);
	return same;
}

static void test_json(void)
{
	TEST(json_is(escape_json("gr\u00f6\u00df", 6), "\"gr\u00f6\u00df\""), "JSON: UTF-8");
	TEST(json_is(escape_json("a\303", 2), "\"a\ufffd\""), "cut in a letter");
	TEST(json_is(escape_json("\300\200", 2), "\"\ufffd\ufffd\""), "no UTF-8");
	TEST(json_is(escape_json("a\tb\33\n", 5), "\"a\\tb\\u001B\\n\""), "controls");
	TEST(json_is(escape_json("\177\302\233\u202e", 6), "\"\\u007F\\u009B\\u202E\""),
	     "controls that JSON would let pass");
	TEST(json_is(escape_json("", 0), "\"\""), "nothing");
}

static void test_label(void)
{
	struct text t = { 0 };

	escape_text(&t, "a\\b\"c\n-\u00f6\303", 10, ESCAPE_LABEL);
	TEST(is(&t, "a\\\\b\\\"c\\n-\u00f6\ufffd"), "a label of Prometheus");
	text_free(&t);
}

/* A record on a terminal, and into a file. */
static void test_record(void)
{
	struct {
		struct mqbus_record r;
		char parts[32];
	} m = { .r = { .value_len = 6, .key_len = 2, .routing_key_len = 2 } };
	struct format_source from = { .topic = "t" };
	struct text t = { 0 };
	struct format *f;
	const char *bad;

	memcpy(m.parts, "a\tb\n\33cK\nR\t", 10);
	f = format_compile("\\x1b[1m%k\\t%r %s\\n", &bad);
	format_record(f, &from, &m.r, true, &t);
	TEST(is(&t, "\33[1mK\\x0a\tR\\x09 a\tb\n\\x1bc\n"), "a record on a terminal");
	format_record(f, &from, &m.r, false, &t);
	TEST(is(&t, "\33[1mK\n\tR\t a\tb\n\33c\n"), "and elsewhere");
	format_free(f);
	text_free(&t);
}

/* Where the locale is not one of UTF-8, its bytes may be controls. */
static void test_ascii(void)
{
	int status = 1;

	fflush(NULL);
	if (!fork()) {
		setenv("LC_ALL", "C", 1);
		_exit(!is_text("a\u00f6", 3, 0, "a\\xc3\\xb6"));
	}
	wait(&status);
	TEST(!status, "a terminal without UTF-8");
	fflush(NULL);
	if (!fork()) {
		unsetenv("LC_ALL");
		unsetenv("LC_CTYPE");
		unsetenv("LANG");
		_exit(!is_text("a\u00f6", 3, 0, "a\u00f6"));
	}
	wait(&status);
	TEST(!status, "where nothing tells what it is, it is UTF-8");
}

int main(void)
{
	test_begin();
	/* First, for the locale is asked for once */
	test_ascii();
	setenv("LC_ALL", "C.UTF-8", 1);
	setlocale(LC_CTYPE, "");
	test_text();
	test_cut();
	test_columns();
	test_printf();
	test_tables();
	test_json();
	test_label();
	test_record();
	return test_end();
}
