// SPDX-License-Identifier: GPL-2.0
/*
 * What a table of options takes and says.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "option.h"
#include "test.h"

enum { OPT_WORD = OPTION_LONG, OPT_EARLY };

struct inner {
	bool raw;
	char log[64];
};

struct outer {
	bool quiet;
	const char *name;
	__u64 count;
	struct inner inner;
	char log[64];
};

/* Note the key and the value. */
static int note(char log[64], int key)
{
	char entry[32];

	if (key < OPTION_LONG)
		snprintf(entry, sizeof(entry), "%c", key);
	else
		snprintf(entry, sizeof(entry), "%d=%s", key - OPTION_LONG, optarg);
	strcat(log, entry);
	return !strcmp(entry, "0=bad") ? STATUS_USAGE : STATUS_OK;
}

static int take_inner(void *into, int key)
{
	return note(((struct inner *)into)->log, key);
}

static int take_outer(void *into, int key)
{
	return note(((struct outer *)into)->log, key);
}

static const struct option_row inner_rows[] = {
	{ "raw", 0, NULL, "as it is", OPTION_FLAG(struct inner, raw) },
	{ "word", OPT_WORD, "WORD|none", "takes no more\nthan a word" },
	{ 0 }
};

static const struct option_table inner = {
	.rows = inner_rows, .column = 16, .take = take_inner,
};

static const struct option_row rows[] = {
	{ "quiet", 'q', NULL, "say nothing", OPTION_FLAG(struct outer, quiet) },
	{ "name", 'n', "NAME", NULL, OPTION_STRING(struct outer, name) },
	{ "count", 'c', "N", "so often", OPTION_NUMBER(struct outer, count) },
	{ .help = "\nInside:" },
	{ .table = &inner, .at = offsetof(struct outer, inner) },
	{ "early", OPT_EARLY, "yes", "said twice" },
	{ "early", OPT_EARLY, "no", "once taken" },
	{ "secret", 's', .hidden = true },
	{ 0 }
};

static const char help[] =
	"Usage: test\n"
	"\n"
	"  -q, --quiet     say nothing\n"
	"  -n, --name NAME\n"
	"  -c, --count N   so often\n"
	"\n"
	"Inside:\n"
	"      --raw     as it is\n"
	"      --word WORD|none\n"
	"                takes no more\n"
	"                than a word\n"
	"      --early yes\n"
	"                  said twice\n"
	"      --early no  once taken\n"
	"\n"
	"More.\n";

/* What a command line ends with, and what it prints; one word an argument. */
static int parse(struct outer *o, char *said, size_t size, const char *line, bool ends)
{
	const struct option_table table = {
		.usage = "Usage: test\n\n", .rows = rows, .more = "\nMore.\n", .column = 18,
		.ends = ends, .take = take_outer,
	};
	char words[256], *argv[16] = { "test" }, *save = NULL;
	int argc = 1, out, err, ret;
	FILE *f = tmpfile();
	ssize_t n;

	snprintf(words, sizeof(words), "%s", line);
	for (argv[argc] = strtok_r(words, " ", &save); argv[argc];)
		argv[++argc] = strtok_r(NULL, " ", &save);
	*o = (struct outer){ 0 };
	optind = 0;
	fflush(NULL);
	out = dup(STDOUT_FILENO);
	err = dup(STDERR_FILENO);
	dup2(fileno(f), STDOUT_FILENO);
	dup2(fileno(f), STDERR_FILENO);
	ret = option_parse(&table, argc, argv, o);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	n = pread(fileno(f), said, size - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	fclose(f);
	return ret;
}

/* A wrong command line and what is said of it. */
static void test_wrong(const char *line, const char *expected)
{
	char said[1024], sentence[256];
	struct outer o;
	int ret = parse(&o, said, sizeof(said), line, false);

	snprintf(sentence, sizeof(sentence), "mqbus: %s (see --help)\n", expected);
	TEST(ret == STATUS_USAGE && !strcmp(said, sentence), "'%s': %s", line, expected);
}

int main(void)
{
	char said[1024];
	struct outer o;
	int ret;

	test_begin();
	ret = parse(&o, said, sizeof(said), "--help", false);
	TEST(!ret && !strcmp(said, help), "the help is what the table says");
	ret = parse(&o, said, sizeof(said), "a -qn me --count 7 --raw b", false);
	TEST(ret == -1 && o.quiet && !strcmp(o.name, "me") && o.count == 7 && o.inner.raw &&
	     optind == 6, "fields are set, of a table inside another, too");
	ret = parse(&o, said, sizeof(said), "--word=x -s --ea yes --early no", false);
	TEST(ret == -1 && !strcmp(o.inner.log, "0=x") && !strcmp(o.log, "s1=yes1=no"),
	     "others are taken by their own table: '%s' '%s'", o.inner.log, o.log);
	ret = parse(&o, said, sizeof(said), "-q command -n me", true);
	TEST(ret == -1 && o.quiet && !o.name && optind == 2, "or end at the first argument");
	ret = parse(&o, said, sizeof(said), "--word bad --nope", false);
	TEST(ret == STATUS_USAGE && !*said, "a value that is refused ends it");
	test_wrong("--nope", "option '--nope' is unknown or lacks its value");
	test_wrong("-x", "option '-x' is unknown or lacks its value");
	test_wrong("-n", "option '-n' is unknown or lacks its value");
	test_wrong("--name", "option '-n' is unknown or lacks its value");
	test_wrong("--word", "option '--word' is unknown or lacks its value");
	test_wrong("-c x", "--count 'x': expected a number");
	return test_end();
}
