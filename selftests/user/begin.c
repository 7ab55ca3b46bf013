// SPDX-License-Identifier: GPL-2.0
/*
 * What each program begins with: descriptors that are closed, signals that come when nothing
 * waits yet, and messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "test.h"

/* The exit status of a process that does this, or 128 and what killed it. */
static int in_process(int (*run)(int arg), int arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		/* Of what would go on for ever */
		setpgid(0, 0);
		if (!fork()) {
			sleep(10);
			kill(getppid(), SIGKILL);
			_exit(0);
		}
		_exit(run(arg));
	}
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* @closed: bits of the descriptors that are closed before it begins. */
static int begin_without(int closed)
{
	char c = 0;
	int fd;

	for (fd = 0; fd < 3; fd++) {
		if (closed & 1 << fd)
			close(fd);
	}
	cmd_begin();
	if (open("/dev/null", O_RDWR) < 3)
		return 1;
	/* It goes as it went without */
	for (fd = 0; fd < 3; fd++) {
		if (closed & 1 << fd && (fd ? write(fd, &c, 1) : read(fd, &c, 1)) >= 0)
			return 2;
	}
	return 0;
}

static int begin_with(int arg)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)arg;
	cmd_begin();
	/* What was open is what it was */
	return open("/dev/null", O_RDWR) != null + 1;
}

/* Waits for what never comes, after @sig came. */
static int wait_after(int sig)
{
	sigset_t set;
	int ends[2];
	char c;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cmd_catch_signals();
	if (pipe(ends) || raise(sig) || cmd_signal() != sig)
		return 1;
	if (read(ends[0], &c, 1) != -1 || errno != EINTR)
		return 2;
	/* And again, as often as it takes */
	if (read(ends[0], &c, 1) != -1 || errno != EINTR)
		return 3;
	return 0;
}

/* The second one ends the process. */
static int twice(int sig)
{
	cmd_catch_signals();
	raise(sig);
	raise(sig);
	return 0;
}

static void test_messages(void)
{
	char line[200] = "";
	FILE *before = stderr, *f;

	f = fmemopen(line, sizeof(line), "w");
	if (!f)
		abort();
	stderr = f;
	cmd_failed("topic '%s': %d", "\33[2Jx\n", 7);
	fclose(f);
	stderr = before;
	TEST(!strcmp(line, "mqbus: topic '\\x1b[2Jx\\x0a': 7\n"), "a message is one harmless line");
}

int main(void)
{
	static const int signals[] = { SIGINT, SIGTERM };
	size_t i;
	int closed;

	test_begin();
	for (closed = 0; closed < 8; closed++)
		TEST(!in_process(begin_without, closed), "without 0 to 2: %d%d%d", closed & 1,
		     closed >> 1 & 1, closed >> 2);
	TEST(!in_process(begin_with, 0), "with all that there is");
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		TEST(!in_process(wait_after, signals[i]), "%s before a call that waits",
		     strsignal(signals[i]));
		TEST(in_process(twice, signals[i]) == 128 + signals[i], "%s for the second time",
		     strsignal(signals[i]));
	}
	test_messages();
	return test_end();
}
