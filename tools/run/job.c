// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

/* Of Linux 6.3 */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/*
 * The value as a file in memory. Unlike a pipe it needs no writer, and a command
 * may leave it unread.
 */
static int value_file(const struct mqbus_record *r)
{
	const char *value;
	size_t len;
	ssize_t n;
	int fd;

	fd = memfd_create("mqbus-value", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("mqbus-value", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	value = mqbus_record_value(r, &len);
	for (; len; len -= n, value += n) {
		n = write(fd, value, len);
		if (n < 0) {
			n = -errno;
			close(fd);
			return n;
		}
	}
	if (lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/*
 * In the new process: become the command, or write to @report why not. It leads a group
 * of its own, so that a terminal's Ctrl-C stops the run and not the command, and so
 * that its children can be ended with it. When its worker is killed it is killed, too, and
 * then its group, since another worker gets the record.
 */
static void exec_command(const struct run_job *job, char **env, const int files[2], int report,
			 pid_t worker)
{
	const struct run *run = job->run;
	sigset_t none;
	int err;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker)
		_exit(RUN_STATUS_CANNOT_EXECUTE);
	/* Stored before it can have children */
	__atomic_store_n(&job->slot->job, getpid(), __ATOMIC_RELAXED);
	if (dup2(files[STDIN_FILENO], STDIN_FILENO) >= 0 &&
	    (files[STDOUT_FILENO] < 0 || dup2(files[STDOUT_FILENO], STDOUT_FILENO) >= 0)) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvpe(run->argv[0], run->argv, env);
	}
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(RUN_STATUS_CANNOT_EXECUTE);
	_exit(RUN_STATUS_NOT_FOUND);
}

static int say_cannot_execute(const struct run *run, int err)
{
	error_say(&run->subject, "%s: cannot be executed: %s: the record is released",
		  run->argv[0], strerror(err));
	return err == ENOENT || err == ENOTDIR ? RUN_STATUS_NOT_FOUND :
						 RUN_STATUS_CANNOT_EXECUTE;
}

static int say_no_process(const struct run *run, int err)
{
	return error_say(&run->subject, "no process for the command: %s: the record is released",
			 strerror(err));
}

/* Called while the number of its group is still its own. */
static void job_forget(struct run_job *job)
{
	__atomic_store_n(&job->slot->job, 0, __ATOMIC_RELAXED);
}

/* Start the command with these as stdin and, unless -1, stdout; returns the exit status. */
static int job_start(struct run_job *job, char **env, const int files[2])
{
	pid_t worker = getpid();
	int report[2], err = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC))
		return say_no_process(job->run, errno);
	job->pid = fork();
	if (!job->pid)
		exec_command(job, env, files, report[1], worker);
	if (job->pid < 0)
		err = errno;
	close(report[1]);
	if (err) {
		close(report[0]);
		return say_no_process(job->run, err);
	}
	/* End of file: the command has started */
	n = read(report[0], &err, sizeof(err));
	close(report[0]);
	if (n <= 0)
		return STATUS_OK;
	job_forget(job);
	waitpid(job->pid, NULL, 0);
	return say_cannot_execute(job->run, err);
}

/**
 * struct job_times - due times, in ns of CLOCK_MONOTONIC
 * @timeout: the command has taken too long
 * @kill: it has not ended after SIGTERM
 * @extend: its lease is half over
 */
struct job_times {
	__u64 timeout;
	__u64 kill;
	__u64 extend;
};

static void job_end(struct run_job *job, struct job_times *times, enum run_end end)
{
	job->end = end;
	kill(-job->pid, SIGTERM);
	times->kill = run_after(cmd_now(), job->run->kill_after);
}

static void job_extend(struct run_job *job, struct job_times *times)
{
	__u64 lease = job->run->lease;
	int ret;

	ret = mqbus_worker_settle_one(job->worker, job->lease, MQBUS_EXTEND, lease);
	times->extend = ret ? RUN_NEVER : run_after(cmd_now(), lease / 2);
	/* Another worker has the record, or will: a lease prevents two at once */
	if ((ret == -ETIMEDOUT || ret == -ESTALE) && !job->end)
		job_end(job, times, RUN_END_LEASE);
}

/* Do what is due. */
static void job_check(struct run_job *job, struct job_times *times)
{
	__u64 now = cmd_now();

	if (!job->end && run_stop(job->run) == RUN_AT_ONCE)
		job_end(job, times, RUN_END_STOP);
	if (!job->end && now >= times->timeout)
		job_end(job, times, RUN_END_TIMEOUT);
	if (now >= times->kill) {
		kill(-job->pid, SIGKILL);
		times->kill = RUN_NEVER;
	}
	if (now >= times->extend)
		job_extend(job, times);
}

/*
 * Wait until a time is due, the command ends or prints, or the first process sends
 * a signal.
 */
static void job_sleep(const struct run_job *job, const struct job_times *times)
{
	struct pollfd fd = { .fd = run_output_fd(job->output), .events = POLLIN };
	__u64 now = cmd_now(), until = times->kill;
	struct timespec ts;
	sigset_t mask;

	/* Only in here, so that one that came just before is not missed */
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, SIGCHLD);
	sigdelset(&mask, SIGUSR1);
	if (times->extend < until)
		until = times->extend;
	if (times->timeout < until)
		until = times->timeout;
	now = until > now ? until - now : 0;
	ts.tv_sec = now / 1000000000;
	ts.tv_nsec = now % 1000000000;
	ppoll(&fd, 1, until == RUN_NEVER ? NULL : &ts, &mask);
}

/* Whether the command has ended, and how; it can still be named by its number. */
static bool job_ended(const struct run_job *job, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	return waitid(P_PID, job->pid, info, WEXITED | WNOHANG | WNOWAIT) || info->si_pid;
}

static void job_wait(struct run_job *job, __u64 start)
{
	struct job_times times = {
		.timeout = run_after(start, job->run->timeout),
		.kill = RUN_NEVER,
		.extend = job->run->lease ? run_after(start, job->run->lease / 2) : RUN_NEVER,
	};
	siginfo_t info;

	while (!job_ended(job, &info)) {
		job_check(job, &times);
		if (job->end)
			times.timeout = RUN_NEVER;
		job_sleep(job, &times);
		if (job->output && !run_output_read(job->output) && !job->end)
			job_end(job, &times, RUN_END_OUTPUT);
	}
	if (job->output)
		run_output_finish(job->output);
	/* Processes that it left behind were signalled, too; or another worker gets the record */
	if (job->end || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
		kill(-job->pid, SIGKILL);
	job_forget(job);
	waitpid(job->pid, &job->status, 0);
}

int run_job(struct run_job *job)
{
	int files[2] = { -1, -1 }, ret = STATUS_OK;
	const struct mqbus_record *record;
	__u64 start = cmd_now();
	char **env = NULL;

	record = mqbus_worker_record(job->worker, job->lease);
	if (!record)
		return say_no_process(job->run, errno);
	files[STDIN_FILENO] = value_file(record);
	if (files[STDIN_FILENO] < 0)
		return say_no_process(job->run, -files[STDIN_FILENO]);
	if (job->output) {
		files[STDOUT_FILENO] = run_output_begin(job->output, record);
		if (files[STDOUT_FILENO] < 0)
			ret = say_no_process(job->run, -files[STDOUT_FILENO]);
	}
	if (!ret)
		env = run_env(job->run, job->lease, record);
	if (!ret)
		ret = env ? job_start(job, env, files) : say_no_process(job->run, ENOMEM);
	free(env);
	close(files[STDIN_FILENO]);
	if (files[STDOUT_FILENO] >= 0)
		close(files[STDOUT_FILENO]);
	if (!ret)
		job_wait(job, start);
	else if (job->output)
		run_output_finish(job->output);
	job->took = cmd_now() - start;
	return ret;
}
