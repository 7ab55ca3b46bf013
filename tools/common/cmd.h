/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by main() and the subcommands.
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
 * @name: its word on the command line
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
int cmd_bus(int argc, char **argv);
int cmd_info(int argc, char **argv);

/*
 * Run the command argv[1] of the table (ending in a NULL name).
 * @prefix is the text before the word: "mqbus" or "mqbus topic".
 */
int cmd_dispatch(const struct cmd *table, const char *prefix, int argc, char **argv);

/*
 * Each program calls this first: it opens closed descriptors 0 to 2, or a
 * topic would become one of them, and messages would be published. They fail as
 * closed ones do.
 */
void cmd_begin(void);

/* Print a line on stderr, with @behind at its end; strings for %s are escaped. */
__printf(1, 0) void cmd_vsay(const char *fmt, va_list args, const char *behind);
/* Print an error in the command line; returns STATUS_USAGE. */
__printf(1, 2) int cmd_usage_error(const char *fmt, ...);
/* Print a failure; returns STATUS_FAILED. */
__printf(1, 2) int cmd_failed(const char *fmt, ...);
/* Print that the value of an option is wrong; returns STATUS_USAGE. */
int cmd_bad_value(const char *option, const char *value, const char *expected);

/*
 * Let SIGINT, SIGTERM and SIGHUP (unless it is ignored) interrupt a call instead of ending the
 * process; the second one ends it. cmd_signal() returns the first one, or 0. Calls that wait fail
 * with EINTR from then on, even those that begin later.
 */
void cmd_catch_signals(void);
int cmd_signal(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
__u64 cmd_now(void);

#endif /* MQBUS_CMD_H */
