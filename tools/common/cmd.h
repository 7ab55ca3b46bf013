/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What main() and the subcommands have in common.
 */
#ifndef MQBUS_CMD_H
#define MQBUS_CMD_H

#include <getopt.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define __printf(a, b) __attribute__((	\
	format(printf, a, b)))

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_TIMEOUT = 124,	/* as timeout(1) */
	STATUS_SIGNAL = 128,	/* plus the signal's number, as a shell */
};

/**
 * struct cmd - a subcommand
 * @name: the word that calls it
 * @run: argv[0] is the word; returns the exit status
 * @brief: one line for the help
 */
struct cmd {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *brief;
};

int cmd_topic(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_pub(int argc, char **argv);
int cmd_sub(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_dlq(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_lag(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_exporter(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_info(int argc, char **argv);

/*
 * Run the command of the table (ending in a NULL name) that argv[1] names.
 * @prefix is what is written before the word: "mqbus" or "mqbus topic".
 */
int cmd_dispatch(const struct cmd *table, const char *prefix, int argc, char **argv);

/*
 * What each program begins with: descriptors 0 to 2 that are closed are opened, or a
 * topic would become one of them, and what is said would be published. They fail as
 * closed ones do.
 */
void cmd_begin(void);

/* Say a line on stderr, with @behind at its end; what a %s stands for is escaped. */
__printf(1, 0) void cmd_vsay(const char *fmt, va_list args, const char *behind);
/* Say what is wrong with the command line; returns STATUS_USAGE. */
__printf(1, 2) int cmd_usage_error(const char *fmt, ...);
/* Say what failed; returns STATUS_FAILED. */
__printf(1, 2) int cmd_failed(const char *fmt, ...);
/* The value of an option is not what it should be; returns STATUS_USAGE. */
int cmd_bad_value(const char *option, const char *value, const char *expected);

/*
 * Let SIGINT and SIGTERM interrupt a call instead of ending the process; the
 * second one ends it. cmd_signal() is the first that came, or 0. Calls that wait fail
 * with EINTR from then on, also those that begin later.
 */
void cmd_catch_signals(void);
int cmd_signal(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
__u64 cmd_now(void);

#endif /* MQBUS_CMD_H */
