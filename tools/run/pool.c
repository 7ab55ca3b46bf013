// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/format.h"
#include "run.h"

#define MS 1000000ULL
/* One signal may be sent to a process and to its group; it is not a second one */
#define SECOND_SIGNAL (200 * MS)
/* A command that always dies must not be restarted in a busy loop */
#define DEATHS_FREE 3
#define DEATHS_DELAY (100 * MS)
#define DEATHS_DELAY_MAX (1000 * MS)

/**
 * struct pool - the processes of a run
 * @run: the options
 * @pids: of the workers; 0 of those that have ended
 * @guard: the process that outlives this one, or 0
 * @start_at: when to start a worker, in ns of CLOCK_MONOTONIC, or RUN_NEVER
 * @asked: time of the first signal to stop, or 0
 * @status: exit status of the run
 */
struct pool {
	struct run *run;
	pid_t *pids;
	pid_t guard;
	__u64 *start_at;
	__u64 asked;
	int status;
};

/* Only interrupts a wait: the reason is in shared memory, or from waitpid() */
static void wake_up(int sig)
{
	(void)sig;
}

static void pool_signals(sigset_t *set)
{
	struct sigaction sa = { .sa_handler = wake_up }, hup;

	sigaction(SIGUSR1, &sa, NULL);
	/* If SIGCHLD is ignored, the end of a command cannot be waited for, nor wakes a worker */
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	/* nohup ignores SIGHUP: keep that */
	sigaction(SIGHUP, NULL, &hup);
	if (hup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	sigprocmask(SIG_BLOCK, set, NULL);
	sigdelset(set, SIGUSR1);
}

static void pool_stop(struct pool *pool, enum run_stop stop)
{
	__u32 i;

	if (stop <= run_stop(pool->run))
		return;
	__atomic_store_n(&pool->run->shared->stop, stop, __ATOMIC_RELEASE);
	for (i = 0; i < pool->run->workers; i++) {
		pool->start_at[i] = RUN_NEVER;
		if (pool->pids[i])
			kill(pool->pids[i], SIGUSR1);
	}
}

static void pool_fail(struct pool *pool, int status)
{
	if (!pool->status)
		pool->status = status;
	pool_stop(pool, RUN_NO_MORE);
}

static void pool_start(struct pool *pool, __u32 i)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	int status;

	pool->start_at[i] = RUN_NEVER;
	if (!pid) {
		/* Without the first process nothing would restart or stop workers */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(STATUS_FAILED);
		status = run_worker(pool->run, i);
		fflush(NULL);
		_exit(status);
	}
	if (pid < 0) {
		pool_fail(pool, error_say(&pool->run->subject, "no process for a worker: %s",
					  strerror(errno)));
		return;
	}
	pool->pids[i] = pid;
}

/* Kill what is left of the command of a worker that was killed: another one gets its record. */
static void job_kill(struct run_slot *slot)
{
	pid_t job = __atomic_exchange_n(&slot->job, 0, __ATOMIC_RELAXED);

	if (job)
		kill(-job, SIGKILL);
}

/*
 * The life of the guard. When the first process is killed, the kernel kills the workers and their
 * commands, but not the processes that these have started; nobody else is left to do that.
 */
static void guard_run(struct pool *pool, pid_t parent)
{
	sigset_t set;
	__u32 i;

	/* A signal for the run, from a terminal or to its group, is not for the guard */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "mqbus-run-guard");
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (getppid() == parent)
		sigwaitinfo(&set, NULL);
	for (i = 0; i < pool->run->workers; i++)
		job_kill(&pool->run->shared->slots[i]);
}

static void guard_start(struct pool *pool)
{
	pid_t parent = getpid();

	pool->guard = fork();
	if (!pool->guard) {
		guard_run(pool, parent);
		_exit(STATUS_OK);
	}
	if (pool->guard > 0)
		return;
	pool->guard = 0;
	pool_fail(pool, error_say(&pool->run->subject, "no process for the guard: %s",
				  strerror(errno)));
}

static void guard_stop(struct pool *pool)
{
	if (!pool->guard)
		return;
	kill(pool->guard, SIGKILL);
	waitpid(pool->guard, NULL, 0);
}

/* A worker has died, with its record or without. */
static void pool_restart(struct pool *pool, __u32 i)
{
	struct run_slot *slot = &pool->run->shared->slots[i];
	__u64 now = cmd_now(), delay = 0;

	__atomic_store_n(&slot->idle_since, now, __ATOMIC_RELAXED);
	if (slot->ticket)
		__atomic_fetch_add(&pool->run->shared->tickets, 1, __ATOMIC_RELAXED);
	slot->ticket = false;
	if (run_stop(pool->run))
		return;
	if (slot->deaths > DEATHS_FREE) {
		delay = DEATHS_DELAY * (slot->deaths - DEATHS_FREE);
		if (delay > DEATHS_DELAY_MAX)
			delay = DEATHS_DELAY_MAX;
	}
	pool->start_at[i] = now + delay;
}

static void pool_ended(struct pool *pool, pid_t pid, int status)
{
	__u32 i = 0;

	if (pid == pool->guard)
		pool->guard = 0;
	while (i < pool->run->workers && pool->pids[i] != pid)
		i++;
	if (i == pool->run->workers)
		return;
	pool->pids[i] = 0;
	if (WIFSIGNALED(status)) {
		error_say(&pool->run->subject,
			  "worker %d was killed by signal %d: its record is handed out again",
			  pid, WTERMSIG(status));
		pool->run->shared->slots[i].deaths++;
		job_kill(&pool->run->shared->slots[i]);
		pool_restart(pool, i);
	} else if (WEXITSTATUS(status) == RUN_WORKER_DIED) {
		pool_restart(pool, i);
	} else if (WEXITSTATUS(status)) {
		pool_fail(pool, WEXITSTATUS(status));
	}
}

static void pool_signal(struct pool *pool)
{
	__u64 now = cmd_now();

	if (!pool->asked) {
		pool->asked = now;
		pool_stop(pool, RUN_NO_MORE);
	} else if (now - pool->asked >= SECOND_SIGNAL) {
		pool_stop(pool, RUN_AT_ONCE);
	}
}

/* Do what is due. Returns when the next thing is; 0: all workers have ended. */
static __u64 pool_check(struct pool *pool)
{
	__u64 now = cmd_now(), next = RUN_NEVER, end;
	bool any = false;
	__u32 i;

	for (i = 0; i < pool->run->workers; i++) {
		if (pool->start_at[i] <= now)
			pool_start(pool, i);
		if (pool->start_at[i] < next)
			next = pool->start_at[i];
		any = any || pool->pids[i] || pool->start_at[i] != RUN_NEVER;
	}
	if (!any)
		return 0;
	if (pool->asked && run_stop(pool->run) < RUN_AT_ONCE) {
		end = run_after(pool->asked, pool->run->grace);
		if (end <= now)
			pool_stop(pool, RUN_AT_ONCE);
		else if (end < next)
			next = end;
	}
	return next;
}

static void pool_watch(struct pool *pool, const sigset_t *set)
{
	struct timespec ts;
	__u64 next, now;
	int sig, status;
	pid_t pid;

	while ((next = pool_check(pool))) {
		now = cmd_now();
		/* A day is long enough, and fits all types */
		next = next > now ? next - now : 0;
		if (next > 86400 * 1000 * MS)
			next = 86400 * 1000 * MS;
		ts.tv_sec = next / (1000 * MS);
		ts.tv_nsec = next % (1000 * MS);
		sig = sigtimedwait(set, NULL, &ts);
		if (sig > 0 && sig != SIGCHLD)
			pool_signal(pool);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			pool_ended(pool, pid, status);
	}
}

static void pool_say(const struct pool *pool)
{
	const __u64 *n = pool->run->shared->outcomes;
	struct text line = { 0 };
	int i;

	for (i = 0; i < RUN_OUTCOMES; i++) {
		if (n[i])
			text_printf(&line, "%s%llu %s", line.len ? ", " : "", n[i],
				    run_outcomes[i]);
	}
	if (!line.len)
		text_printf(&line, "no records");
	text_add(&line, "", 1);
	error_say(&pool->run->subject, "%s", line.data);
	text_free(&line);
}

int run_pool(struct run *run)
{
	size_t size = sizeof(*run->shared) + run->workers * sizeof(run->shared->slots[0]);
	struct pool pool = { .run = run };
	sigset_t set;
	__u32 i;

	run->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pool.pids = calloc(run->workers, sizeof(*pool.pids));
	pool.start_at = calloc(run->workers, sizeof(*pool.start_at));
	if (run->shared == MAP_FAILED || !pool.pids || !pool.start_at)
		return error_say(&run->subject, "%s", strerror(ENOMEM));
	run->shared->tickets = run->count;
	for (i = 0; i < run->workers; i++)
		run->shared->slots[i].idle_since = cmd_now();
	/* Line-buffered, since all workers write */
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	pool_signals(&set);
	guard_start(&pool);
	pool_watch(&pool, &set);
	guard_stop(&pool);
	if (run->verbose)
		pool_say(&pool);
	munmap(run->shared, size);
	free(pool.pids);
	free(pool.start_at);
	return pool.status;
}
