// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "common/cmd.h"
#include "wait.h"

static sigset_t unblocked;

void wait_catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &unblocked);
	cmd_catch_signals();
}

bool wait_until(int fd, __u64 until)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	__u64 now = cmd_now();
	__u64 left = until > now ? until - now : 0;
	struct timespec ts = {
		.tv_sec = left / 1000000000,
		.tv_nsec = left % 1000000000,
	};

	return ppoll(&pfd, 1, until == WAIT_FOREVER ? NULL : &ts, &unblocked) > 0;
}
