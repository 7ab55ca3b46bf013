// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "option.h"
#include "parse.h"

#define OPTIONS_MAX 64

/**
 * struct taken - what an option is taken by
 * @row: the option
 * @take: of its table
 * @into: for @take, or where its field is
 */
struct taken {
	const struct option_row *row;
	int (*take)(void *into, int key);
	char *into;
};

/**
 * struct options - all options of a command, as getopt_long() takes them
 * @taken: what each is taken by
 * @n: their number
 * @named: their long names; the value is OPTION_LONG and the number
 * @letters: and their letters
 */
struct options {
	struct taken taken[OPTIONS_MAX];
	size_t n;
	struct option named[OPTIONS_MAX + 1];
	char letters[3 * OPTIONS_MAX];
};

static bool is_end(const struct option_row *row)
{
	return !row->name && !row->help && !row->table;
}

static bool is_letter(int key)
{
	return key > 0 && key < OPTION_LONG;
}

static bool is_known(const struct options *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n; i++) {
		if (!strcmp(o->named[i].name, name))
			return true;
	}
	return false;
}

static void add(struct options *o, const struct option_table *table,
		const struct option_row *row, void *into)
{
	char *letter = strchr(o->letters, '\0');

	/* Tables are ours: one that is too large does not get out of a test */
	if (o->n == OPTIONS_MAX)
		abort();
	o->taken[o->n] = (struct taken){ row, table->take, into };
	o->named[o->n] = (struct option){
		.name = row->name,
		.has_arg = row->value ? required_argument : no_argument,
		.val = OPTION_LONG + o->n,
	};
	o->n++;
	if (is_letter(row->key))
		sprintf(letter, row->value ? "%c:" : "%c", row->key);
}

static void add_all(struct options *o, const struct option_table *table, void *into)
{
	const struct option_row *row;

	for (row = table->rows; !is_end(row); row++) {
		if (row->table)
			add_all(o, row->table, (char *)into + row->at);
		else if (row->name && !is_known(o, row->name))
			add(o, table, row, into);
	}
}

static void print_row(const struct option_row *row, int column)
{
	const char *line = row->help ? row->help : "";
	int len, width;

	if (is_letter(row->key))
		width = printf("  -%c, --%s", row->key, row->name);
	else
		width = printf("      --%s", row->name);
	if (row->value)
		width += printf(" %s", row->value);
	for (; *line; line += len + !!line[len]) {
		len = strcspn(line, "\n");
		/* No room behind it */
		if (width + 2 > column) {
			putchar('\n');
			width = 0;
		}
		printf("%*s%.*s", column - width, "", len, line);
		width = column;
	}
	putchar('\n');
}

static void print_rows(const struct option_table *table)
{
	const struct option_row *row;

	for (row = table->rows; !is_end(row); row++) {
		if (row->hidden)
			continue;
		if (row->table)
			print_rows(row->table);
		else if (row->name)
			print_row(row, table->column);
		else
			printf("%s\n", row->help);
	}
}

static int print_help(const struct option_table *table)
{
	fputs(table->usage, stdout);
	print_rows(table);
	if (table->more)
		fputs(table->more, stdout);
	return STATUS_OK;
}

/* getopt_long() found an option that is unknown or lacks its value. */
static int bad_option(const struct options *o, char **argv)
{
	static const char sentence[] = "is unknown or lacks its value";

	if (optopt >= OPTION_LONG) {
		const struct option_row *row = o->taken[optopt - OPTION_LONG].row;

		if (!is_letter(row->key))
			return cmd_usage_error("option '--%s' %s", row->name, sentence);
		optopt = row->key;
	}
	if (optopt)
		return cmd_usage_error("option '-%c' %s", optopt, sentence);
	return cmd_usage_error("option '%s' %s", argv[optind - 1], sentence);
}

static int take(const struct taken *t)
{
	const struct option_row *row = t->row;
	void *field = t->into + row->at;
	__u64 number;
	__u32 small;

	switch (row->set) {
	case OPTION_TAKE:
		return t->take(t->into, row->key);
	case OPTION_SET_FLAG:
		*(bool *)field = true;
		break;
	case OPTION_SET_STRING:
		*(const char **)field = optarg;
		break;
	case OPTION_SET_NUMBER:
		if (parse_number(optarg, ~0ULL, &number))
			return cmd_usage_error("--%s '%s': expected a number", row->name, optarg);
		memcpy(field, &number, sizeof(number));
		break;
	case OPTION_SET_UPTO:
		if (parse_u32(optarg, row->max, &small) || !small)
			return cmd_usage_error("--%s '%s': expected 1 to %u", row->name, optarg,
					       row->max);
		memcpy(field, &small, sizeof(small));
		break;
	}
	return STATUS_OK;
}

int option_parse(const struct option_table *table, int argc, char **argv, void *into)
{
	static const struct option_row help = { "help", 'h' };
	struct options o = { 0 };
	size_t i;
	int key, ret;

	if (table->ends)
		o.letters[0] = '+';
	add_all(&o, table, into);
	add(&o, table, &help, into);
	/* Errors are printed here, not by getopt */
	opterr = 0;
	while ((key = getopt_long(argc, argv, o.letters, o.named, NULL)) != -1) {
		if (key == '?')
			return bad_option(&o, argv);
		for (i = 0; key < OPTION_LONG && o.taken[i].row->key != key;)
			i++;
		if (key >= OPTION_LONG)
			i = key - OPTION_LONG;
		if (o.taken[i].row == &help)
			return print_help(table);
		ret = take(&o.taken[i]);
		if (ret)
			return ret;
	}
	return -1;
}

int option_parse_flag(const char *usage, const struct option_row *flag, int argc, char **argv,
		      bool *given)
{
	struct option_row rows[] = { *flag, { 0 } };
	const struct option_table table = { .usage = usage, .rows = rows, .column = 15 };

	rows->set = OPTION_SET_FLAG;
	return option_parse(&table, argc, argv, given);
}

int option_parse_json(const char *usage, int argc, char **argv, bool *json)
{
	static const struct option_row flag = { "json", 'j', .hidden = true };

	return option_parse_flag(usage, &flag, argc, argv, json);
}
