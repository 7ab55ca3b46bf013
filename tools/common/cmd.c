// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "escape.h"

/* How long a call that began just after a signal may wait */
#define SIGNAL_AGAIN_MS 100

static int signal_seen;
static timer_t signal_timer;
static bool signal_timed;

void cmd_begin(void)
{
	/* Opened in the opposite mode, so that use fails as with a closed descriptor */
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* open() returns the lowest free one, which is this */
		if (open("/dev/null", modes[fd]) != fd)
			_exit(STATUS_FAILED);
	}
}

static void remember_signal(int sig)
{
	const struct timespec again = { .tv_nsec = SIGNAL_AGAIN_MS * 1000000 };
	const struct itimerspec timer = { .it_interval = again, .it_value = again };
	int err = errno;

	__atomic_store_n(&signal_seen, sig, __ATOMIC_RELAXED);
	if (signal_timed)
		timer_settime(signal_timer, 0, &timer, NULL);
	errno = err;
}

/* Only interrupts waiting calls. */
static void interrupt(int sig)
{
	(void)sig;
}

int cmd_signal(void)
{
	return __atomic_load_n(&signal_seen, __ATOMIC_RELAXED);
}

/*
 * A signal may arrive between the check of cmd_signal() and the call that waits, so from
 * the first one on a timer interrupts waiting calls again and again.
 */
void cmd_catch_signals(void)
{
	struct sigaction sa = {
		.sa_handler = remember_signal,
		.sa_flags = SA_RESETHAND,
	};
	struct sigaction again = { .sa_handler = interrupt };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct sigaction hup;
	sigset_t set;

	sigaction(SIGALRM, &again, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal_timed = !timer_create(CLOCK_MONOTONIC, &event, &signal_timer);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* A terminal that is closed; nohup ignores it: keep that */
	sigaction(SIGHUP, NULL, &hup);
	if (hup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &sa, NULL);
}

void cmd_vsay(const char *fmt, va_list args, const char *behind)
{
	struct text text = { 0 };

	text_printf(&text, "mqbus: ");
	escape_vprintf(&text, fmt, args);
	text_printf(&text, "%s\n", behind);
	text_write(&text, stderr);
}

__u64 cmd_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int cmd_usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	cmd_vsay(fmt, args, " (see --help)");
	va_end(args);
	return STATUS_USAGE;
}

int cmd_failed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	cmd_vsay(fmt, args, "");
	va_end(args);
	return STATUS_FAILED;
}

int cmd_bad_value(const char *option, const char *value, const char *expected)
{
	return cmd_usage_error("%s '%s': expected %s", option, value, expected);
}

static void print_commands(const struct cmd *table, const char *prefix)
{
	printf("Usage: %s COMMAND ...\n\nCommands:\n", prefix);
	for (; table->name; table++)
		printf("  %-8s %s\n", table->name, table->brief);
	printf("\nSee '%s COMMAND --help'.\n", prefix);
}

int cmd_dispatch(const struct cmd *table, const char *prefix, int argc, char **argv)
{
	const struct cmd *cmd;

	if (argc < 2)
		return cmd_usage_error("%s: which command?", prefix);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_commands(table, prefix);
		return STATUS_OK;
	}
	for (cmd = table; cmd->name; cmd++) {
		if (!strcmp(cmd->name, argv[1]))
			return cmd->run(argc - 1, argv + 1);
	}
	return cmd_usage_error("%s: there is no command '%s'", prefix, argv[1]);
}
