// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/**
 * struct bench_shared - written by the processes, read when they have ended
 * @finished: ns at which each consumer had all messages
 */
struct bench_shared {
	__u64 finished[BENCH_CONSUMERS_MAX];
};

int bench_fail(const char *fmt, ...)
{
	va_list args;

	fputs("mqbus: bench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return STATUS_FAILED;
}

void bench_ready(struct bench *b)
{
	char c = 0;

	if (write(b->ready_fds[1], &c, 1) != 1)
		exit(bench_fail("%s", strerror(errno)));
	/* Only processes that are not ready hold it open, so that the parent sees them end */
	close(b->ready_fds[1]);
	if (read(b->go_fds[0], &c, 1))
		exit(bench_fail("%s", strerror(errno)));
}

void bench_finished(struct bench *b, __u32 index)
{
	b->shared->finished[index] = cmd_now();
}

/* Process @index: the producer comes after the last consumer. */
static pid_t start_process(struct bench *b, __u32 index)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* A killed parent must not leave processes waiting for ever */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN);
	close(b->go_fds[1]);
	close(b->ready_fds[0]);
	exit(index < b->consumers ? b->carrier->consume(b, index) : b->carrier->produce(b));
}

/* Wait until @n processes are ready; there is an end of file if one ended instead. */
static int wait_ready(struct bench *b, __u32 n)
{
	char c;

	close(b->ready_fds[1]);
	b->ready_fds[1] = -1;
	while (n) {
		if (read(b->ready_fds[0], &c, 1) != 1)
			return STATUS_FAILED;
		n--;
	}
	return STATUS_OK;
}

/* Wait for all @n processes; when one fails the others are ended. */
static int wait_processes(pid_t *pids, __u32 n, int status)
{
	__u32 i, left = n;
	int wstatus;
	pid_t pid;

	while (left) {
		for (i = 0; status && i < n; i++) {
			if (pids[i])
				kill(pids[i], SIGKILL);
		}
		pid = wait(&wstatus);
		if (pid < 0) {
			status = STATUS_SIGNAL + cmd_signal();
			continue;
		}
		for (i = 0; i < n; i++) {
			if (pids[i] == pid)
				pids[i] = 0;
		}
		left--;
		if (!WIFEXITED(wstatus) || WEXITSTATUS(wstatus))
			status = status ? status : STATUS_FAILED;
	}
	return status;
}

static int run_processes(struct bench *b, double *seconds)
{
	pid_t pids[BENCH_CONSUMERS_MAX + 1] = { 0 };
	__u32 i, n = 0, total = b->consumers + 1;
	__u64 start, last = 0;
	int status = STATUS_OK;

	fflush(NULL);
	for (; n < total; n++) {
		pids[n] = start_process(b, n);
		if (pids[n] < 0) {
			status = bench_fail("fork: %s", strerror(errno));
			break;
		}
	}
	if (!status)
		status = wait_ready(b, total);
	start = cmd_now();
	close(b->go_fds[1]);
	b->go_fds[1] = -1;
	status = wait_processes(pids, n, status);
	for (i = 0; i < b->consumers; i++) {
		if (b->shared->finished[i] > last)
			last = b->shared->finished[i];
	}
	*seconds = (last - start) / 1e9;
	return status;
}

static void close_pair(int fds[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

int bench_run(struct bench *b, double *seconds)
{
	int status;

	b->shared = mmap(NULL, sizeof(*b->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b->shared == MAP_FAILED || pipe(b->ready_fds) || pipe(b->go_fds))
		return bench_fail("%s", strerror(errno));
	status = b->carrier->setup(b);
	if (!status)
		status = run_processes(b, seconds);
	if (!status && b->carrier->verify)
		status = b->carrier->verify(b);
	b->carrier->teardown(b);
	close_pair(b->ready_fds);
	close_pair(b->go_fds);
	munmap(b->shared, sizeof(*b->shared));
	return status;
}
