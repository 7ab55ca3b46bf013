// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "run.h"

/* While other workers are busy more records may come */
#define IDLE_CHECK 10000000ULL

/**
 * struct worker - a member of the group
 * @run: the options
 * @slot: its state for the first process
 * @member: its endpoint
 * @lease: the record that it holds
 * @output: takes the output of commands, or NULL
 */
struct worker {
	struct run *run;
	struct run_slot *slot;
	struct mqbus_worker *member;
	struct mqbus_leased lease;
	struct run_output *output;
};

static int worker_report(struct worker *w, enum error_action action, int err)
{
	struct error_subject subject = w->run->subject;

	subject.action = action;
	return error_report(&subject, err);
}

/* Take one of the records that --count allows. */
static bool take_ticket(struct worker *w)
{
	__u64 *tickets = &w->run->shared->tickets;
	__u64 n = __atomic_load_n(tickets, __ATOMIC_RELAXED);

	if (w->slot->ticket)
		return true;
	while (n && !w->slot->ticket)
		w->slot->ticket = __atomic_compare_exchange_n(tickets, &n, n - 1, 0,
							      __ATOMIC_RELAXED,
							      __ATOMIC_RELAXED);
	return w->slot->ticket;
}

static void return_ticket(struct worker *w)
{
	if (w->slot->ticket)
		__atomic_fetch_add(&w->run->shared->tickets, 1, __ATOMIC_RELAXED);
	w->slot->ticket = false;
}

static void set_idle(struct worker *w, __u64 since)
{
	__atomic_store_n(&w->slot->idle_since, since, __ATOMIC_RELAXED);
}

/* The time when all workers have been idle for long enough; RUN_NEVER while one is not. */
static __u64 idle_end(const struct run *run)
{
	__u64 since, last = 0;
	__u32 i;

	for (i = 0; i < run->workers; i++) {
		since = __atomic_load_n(&run->shared->slots[i].idle_since, __ATOMIC_RELAXED);
		if (!since)
			return RUN_NEVER;
		if (since > last)
			last = since;
	}
	return run_after(last, run->idle);
}

/* Wait until there may be a record, or a signal. Returns false after --idle-exit. */
static bool worker_sleep(struct worker *w)
{
	struct pollfd fd = { .fd = mqbus_worker_fd(w->member), .events = POLLIN };
	struct timespec ts, *limit = NULL;
	__u64 now = cmd_now(), end;
	sigset_t mask;

	if (w->run->idle != RUN_NEVER) {
		end = idle_end(w->run);
		if (end <= now)
			return false;
		end = end == RUN_NEVER ? w->run->idle : end - now;
		if (end < IDLE_CHECK)
			end = IDLE_CHECK;
		ts.tv_sec = end / 1000000000;
		ts.tv_nsec = end % 1000000000;
		limit = &ts;
	}
	/* Only in here, so that one that came just before is not missed */
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, SIGUSR1);
	ppoll(&fd, 1, limit, &mask);
	return true;
}

/* Returns 1 with a record, 0 when there are to be no more, or a negative errno. */
static int worker_lease(struct worker *w)
{
	int ret;

	for (;;) {
		if (run_stop(w->run) || !take_ticket(w))
			return 0;
		ret = mqbus_worker_turn(w->member, 0, NULL, 0, &w->lease, 1, w->run->lease, 0,
					NULL);
		if (ret != -EAGAIN && ret != -ETIMEDOUT)
			return ret;
		if (!worker_sleep(w))
			return 0;
	}
}

static enum run_outcome judge(const struct run_job *job)
{
	int sig;

	switch (job->end) {
	case RUN_END_TIMEOUT:
	case RUN_END_OUTPUT:
		return RUN_NACKED;
	case RUN_END_STOP:
		return RUN_RELEASED;
	case RUN_END_LEASE:
		return RUN_LOST;
	case RUN_END_NONE:
		break;
	}
	if (WIFSIGNALED(job->status)) {
		sig = WTERMSIG(job->status);
		/* A service manager may signal all processes of a service at once */
		if (run_stop(job->run) && (sig == SIGTERM || sig == SIGINT || sig == SIGHUP))
			return RUN_RELEASED;
		return RUN_DIED;
	}
	switch (WEXITSTATUS(job->status)) {
	case 0:
		return RUN_ACKED;
	case RUN_STATUS_REJECT:
		return RUN_REJECTED;
	case RUN_STATUS_LATER:
		return RUN_RELEASED;
	}
	return RUN_NACKED;
}

const char * const run_outcomes[RUN_OUTCOMES] = {
	"acked", "nacked", "released", "rejected", "died", "lost",
};

static void job_say(const struct run_job *job, enum run_outcome outcome)
{
	static const char * const ends[] = {
		"", ", over --timeout", ", stopped", ", its lease expired", ", printed too much",
	};
	const struct mqbus_leased *lease = job->lease;
	bool killed = WIFSIGNALED(job->status);

	error_say(&job->run->subject, "%u/%llu attempt %u: %s (%s %d%s, %llu ms)",
		  lease->partition, lease->offset, lease->attempt,
		  run_outcomes[outcome], killed ? "signal" : "status",
		  killed ? WTERMSIG(job->status) : WEXITSTATUS(job->status), ends[job->end],
		  job->took / 1000000);
}

/* Tell the kernel; returns 0 or a negative errno. */
static int worker_settle(struct worker *w, const struct run_job *job,
			 enum run_outcome *outcome)
{
	static const enum mqbus_settlement settlements[] = {
		[RUN_ACKED] = MQBUS_ACK,
		[RUN_NACKED] = MQBUS_NACK,
		[RUN_RELEASED] = MQBUS_RELEASE,
		[RUN_REJECTED] = MQBUS_REJECT,
	};
	__u64 delay = 0;
	int ret;

	if (*outcome >= ARRAY_SIZE(settlements))
		return 0;
	if (*outcome == RUN_RELEASED && WIFEXITED(job->status) && !job->end)
		delay = w->run->again;
	ret = mqbus_worker_settle_one(w->member, &w->lease, settlements[*outcome], delay);
	if (ret != -ETIMEDOUT && ret != -ESTALE)
		return ret;
	*outcome = RUN_LOST;
	return 0;
}

/* Run the command for the record; returns the exit status. */
static int worker_job(struct worker *w)
{
	struct run_job job = {
		.run = w->run,
		.slot = w->slot,
		.worker = w->member,
		.lease = &w->lease,
		.output = w->output,
	};
	int ret, status = STATUS_OK;
	enum run_outcome outcome;
	bool settled = false;

	ret = run_job(&job);
	if (ret) {
		mqbus_worker_settle_one(w->member, &w->lease, MQBUS_RELEASE, 0);
		return ret;
	}
	outcome = judge(&job);
	if (w->output && (outcome == RUN_ACKED || job.end == RUN_END_OUTPUT))
		status = run_output_settle(w->output, w->member, &w->lease, &outcome, &settled);
	ret = settled ? 0 : worker_settle(w, &job, &outcome);
	if (ret)
		return worker_report(w, DO_SETTLE, ret);
	if (w->run->verbose)
		job_say(&job, outcome);
	else if (outcome == RUN_LOST)
		error_say(&w->run->subject,
			  "%u/%llu: its lease expired before the command was done: it is handed out again (--lease)",
			  w->lease.partition, w->lease.offset);
	__atomic_fetch_add(&w->run->shared->outcomes[outcome], 1, __ATOMIC_RELAXED);
	w->slot->ticket = false;
	w->slot->deaths = outcome == RUN_DIED ? w->slot->deaths + 1 : 0;
	return outcome == RUN_DIED ? RUN_WORKER_DIED : status;
}

int run_worker(struct run *run, __u32 index)
{
	struct worker w = { .run = run, .slot = &run->shared->slots[index] };
	int ret, status = STATUS_OK;

	ret = mqbus_worker_open(&w.member, run->subject.topic, run->subject.group);
	if (ret)
		return worker_report(&w, DO_WORK, ret);
	status = run_output_open(&w.output, run);
	while (!status) {
		ret = worker_lease(&w);
		if (ret < 0)
			status = worker_report(&w, DO_LEASE, ret);
		if (ret <= 0)
			break;
		set_idle(&w, 0);
		status = worker_job(&w);
		set_idle(&w, cmd_now());
	}
	return_ticket(&w);
	run_output_close(w.output);
	/* The kernel counts a death only if a process ends with its record */
	if (status != RUN_WORKER_DIED)
		mqbus_worker_close(w.member);
	return status;
}
