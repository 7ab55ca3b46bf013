/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pool of processes that start a command for each record of a queue group. The
 * first process only watches the workers; each worker is a member of its own, holds
 * one record at a time and is the parent of the command that works on it. So the
 * kernel sees by itself when a worker is killed.
 */
#ifndef MQBUS_RUN_H
#define MQBUS_RUN_H

#include <limits.h>
#include <linux/types.h>
#include <stdbool.h>

#include "common/error.h"
#include "mqbus.h"

#define RUN_WORKERS_MAX 1024
/* For times: no limit */
#define RUN_NEVER ULLONG_MAX

/* Statuses of a command with a meaning, as in sysexits.h */
enum {
	RUN_STATUS_REJECT = 65,
	RUN_STATUS_LATER = 75,
};

/* Exit statuses if the command cannot be started */
enum {
	RUN_STATUS_CANNOT_EXECUTE = 126,
	RUN_STATUS_NOT_FOUND = 127,
};

/* The progress of a stop; it only grows */
enum run_stop {
	RUN_GOES_ON,
	RUN_NO_MORE,	/* commands that run may end */
	RUN_AT_ONCE,	/* they may not */
};

/* The outcome of a record */
enum run_outcome {
	RUN_ACKED,
	RUN_NACKED,
	RUN_RELEASED,
	RUN_REJECTED,
	RUN_DIED,
	RUN_LOST,
	RUN_OUTCOMES,
};

/**
 * struct run_slot - state of a worker; outlives it when it is killed
 * @idle_since: ns of CLOCK_MONOTONIC; 0 while it has a record
 * @deaths: how many of its last records ended in a death
 * @ticket: it holds one of the tickets
 * @job: leader of the process group of its command, or 0
 */
struct run_slot {
	__u64 idle_since;
	__u32 deaths;
	bool ticket;
	__s32 job;
};

/**
 * struct run_shared - memory of all processes of a run
 * @stop: an &enum run_stop, stored by the first process
 * @tickets: records that may still be begun
 * @outcomes: records by their &enum run_outcome
 * @slots: one for each worker
 */
struct run_shared {
	__u32 stop;
	__u64 tickets;
	__u64 outcomes[RUN_OUTCOMES];
	struct run_slot slots[];
};

/**
 * struct run - a run of mqbus run
 * @subject: topic and group, for messages
 * @argv: the command, NULL at its end
 * @workers: how many
 * @count: end after so many records
 * @idle: ns without a record after which it ends
 * @timeout: ns that a command may take
 * @kill_after: ns from SIGTERM to SIGKILL
 * @grace: ns that running commands may continue after a signal to stop
 * @lease: ns of the leases; 0: as long as the worker lives
 * @again: ns until a released record is handed out again
 * @verbose: a line for each record
 * @to: topic for the output of commands, or NULL
 * @raw: the output of a command is one record, not a record for each line
 * @shared: see there
 */
struct run {
	struct error_subject subject;
	char **argv;
	__u32 workers;
	__u64 count;
	__u64 idle;
	__u64 timeout;
	__u64 kill_after;
	__u64 grace;
	__u64 lease;
	__u64 again;
	bool verbose;
	const char *to;
	bool raw;
	struct run_shared *shared;
};

/* ---- pool.c ---- */

/* Run the workers until they have ended; returns the exit status. */
int run_pool(struct run *run);

static inline enum run_stop run_stop(const struct run *run)
{
	return (enum run_stop)__atomic_load_n(&run->shared->stop, __ATOMIC_ACQUIRE);
}

/* The time @ns after @now; RUN_NEVER is no limit. */
static inline __u64 run_after(__u64 now, __u64 ns)
{
	return now > RUN_NEVER - ns ? RUN_NEVER : now + ns;
}

/* ---- worker.c ---- */

extern const char * const run_outcomes[RUN_OUTCOMES];

/* Exit statuses of a worker's process, besides those of mqbus run */
enum {
	/* A command was killed: this process went with it, the next one goes on */
	RUN_WORKER_DIED = 3,
};

/* The life of worker @index; returns the exit status of its process. */
int run_worker(struct run *run, __u32 index);

/* ---- job.c ---- */

/* The reason for ending a command */
enum run_end {
	RUN_END_NONE,
	RUN_END_TIMEOUT,
	RUN_END_STOP,
	RUN_END_LEASE,	/* it expired, so the record is not ours any more */
	RUN_END_OUTPUT,	/* it printed more than can be published at once */
};

/**
 * struct run_job - a command that works on a record
 * @run: the options
 * @slot: of the worker
 * @worker: holds the record
 * @lease: of the record
 * @output: takes its output, or NULL
 * @pid: the command's process, leader of a group of its own
 * @end: the reason for ending it
 * @status: its status from waitpid()
 * @took: ns
 */
struct run_job {
	struct run *run;
	struct run_slot *slot;
	struct mqbus_worker *worker;
	const struct mqbus_leased *lease;
	struct run_output *output;
	int pid;
	enum run_end end;
	int status;
	__u64 took;
};

/*
 * Start the command and wait for its end. Returns STATUS_OK, or another exit status
 * after it printed why the command could not be started.
 */
int run_job(struct run_job *job);

/* ---- output.c ---- */

struct run_output;

/* Open the output of a worker's commands; NULL without --to. Returns the exit status. */
int run_output_open(struct run_output **out, struct run *run);
void run_output_close(struct run_output *o);
/* Prepare for a command for @record. Returns its stdout, or a negative errno. */
int run_output_begin(struct run_output *o, const struct mqbus_record *record);
/* The descriptor to wait for; -1: no more output. */
int run_output_fd(const struct run_output *o);
/* Take the output so far; returns false when it is too much. */
bool run_output_read(struct run_output *o);
/* The command has ended. */
void run_output_finish(struct run_output *o);
/*
 * Ack the record and publish the output in the same step, and wait for room
 * as long as that takes. If there is no output, or it fails, it is not *@settled and
 * *@outcome is the record's outcome. Returns the exit status.
 */
int run_output_settle(struct run_output *o, struct mqbus_worker *member,
		      const struct mqbus_leased *lease, enum run_outcome *outcome, bool *settled);

/* ---- env.c ---- */

/*
 * The environment for a record: this process's own and the MQBUS_ variables. One
 * block to be freed; NULL if there is no memory.
 */
char **run_env(const struct run *run, const struct mqbus_leased *lease,
	       const struct mqbus_record *record);

#endif /* MQBUS_RUN_H */
