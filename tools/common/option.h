/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a command, once: a table from which come what the command line is taken
 * by, the help, and from that the manual page and what a shell completes.
 */
#ifndef MQBUS_OPTION_H
#define MQBUS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* Keys of options without a letter begin here */
#define OPTION_LONG 256

/* Ways to set a field: a bool, a string, a __u64 from any number, a __u32 from 1 on */
enum option_set {
	OPTION_TAKE, OPTION_SET_FLAG, OPTION_SET_STRING, OPTION_SET_NUMBER, OPTION_SET_UPTO,
};

#define OPTION_FLAG(type, field) .set = OPTION_SET_FLAG, .at = offsetof(type, field)
#define OPTION_STRING(type, field) .set = OPTION_SET_STRING, .at = offsetof(type, field)
#define OPTION_NUMBER(type, field) .set = OPTION_SET_NUMBER, .at = offsetof(type, field)
#define OPTION_UPTO(type, field, most)	\
	.set = OPTION_SET_UPTO, .at = offsetof(type, field), .max = (most)

/**
 * struct option_row - an option
 * @name: its long name; NULL: @help is a line between options
 * @key: its letter, or a number from OPTION_LONG on; 0: none, as it sets a field
 * @value: what its value is called, or NULL: it takes none
 * @help: what it does: lines, each but the last with a newline
 * @set: how the field at @at is set, instead of being given to the table's @take
 * @at: where in what the table is taken into; of @table, where that has its own
 * @max: the largest number that may be set
 * @hidden: not in the help
 * @table: instead of an option all those of another table
 *
 * A name may be repeated, for more help on it.
 */
struct option_row {
	const char *name;
	int key;
	const char *value;
	const char *help;
	enum option_set set;
	size_t at;
	__u32 max;
	bool hidden;
	const struct option_table *table;
};

/**
 * struct option_table - the options of a command
 * @usage: how the help begins
 * @rows: the options; an empty one ends them
 * @more: how the help ends, or NULL
 * @column: column of the options' help
 * @ends: the first non-option argument ends them
 * @take: takes an option without @set, with its value in optarg; returns the exit
 *	status
 */
struct option_table {
	const char *usage;
	const struct option_row *rows;
	const char *more;
	int column;
	bool ends;
	int (*take)(void *into, int key);
};

/*
 * Take all options; the other arguments are from optind on. Returns -1 to go on, else the
 * exit status: an option was wrong, or --help, which is printed.
 */
int option_parse(const struct option_table *table, int argc, char **argv, void *into);
/* The same for a single flag option, or for --json in the usage. */
int option_parse_flag(const char *usage, const struct option_row *flag, int argc, char **argv,
		      bool *given);
int option_parse_json(const char *usage, int argc, char **argv, bool *json);

#endif /* MQBUS_OPTION_H */
