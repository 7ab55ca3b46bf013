// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of the same work over kernel facilities that exist already. Neither carries
 * one message to several readers, so each consumer has its own queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

/**
 * struct peer_ops - one message over a queue
 * @name: for messages
 * @send: to @fd; 0, or -1 and errno
 * @receive: from @fd, exactly @size bytes; likewise
 */
struct peer_ops {
	const char *name;
	int (*send)(int fd, const char *data, size_t size);
	int (*receive)(int fd, char *data, size_t size);
};

static int peer_produce(struct bench *b, const struct peer_ops *ops)
{
	struct bench_pattern pattern = BENCH_PATTERN_INIT;
	char *data = malloc(b->size);
	__u64 left;
	__u32 i;

	if (!data)
		return bench_fail("%s", strerror(ENOMEM));
	bench_ready(b);
	for (left = b->msgs; left; left--) {
		bench_fill(&pattern, data, b->size);
		for (i = 0; i < b->consumers; i++) {
			if (ops->send(b->fds[i][1], data, b->size))
				return bench_fail("%s: send: %s", ops->name, strerror(errno));
		}
	}
	return STATUS_OK;
}

static int peer_consume(struct bench *b, __u32 index, const struct peer_ops *ops)
{
	struct bench_pattern pattern = BENCH_PATTERN_INIT;
	char *data = malloc(b->size);
	__u64 got;

	if (!data)
		return bench_fail("%s", strerror(ENOMEM));
	bench_ready(b);
	for (got = 0; got < b->msgs; got++) {
		if (ops->receive(b->fds[index][0], data, b->size))
			return bench_fail("%s: receive: %s", ops->name, strerror(errno));
		bench_check(&pattern, data, b->size);
		if (bench_pattern_failed(&pattern))
			return bench_fail("consumer %u: wrong content or order in message %llu",
					  index, got);
	}
	bench_finished(b, index);
	return STATUS_OK;
}

static void peer_teardown(struct bench *b)
{
	__u32 i;

	for (i = 0; i < b->consumers; i++) {
		if (b->fds[i][0] > 0)
			close(b->fds[i][0]);
		if (b->fds[i][1] > 0 && b->fds[i][1] != b->fds[i][0])
			close(b->fds[i][1]);
	}
}

/* ---- pipes ---- */

static int pipe_send(int fd, const char *data, size_t size)
{
	ssize_t n;

	for (; size; size -= n, data += n) {
		n = write(fd, data, size);
		if (n < 0)
			return -1;
	}
	return 0;
}

static int pipe_receive(int fd, char *data, size_t size)
{
	ssize_t n;

	for (; size; size -= n, data += n) {
		n = read(fd, data, size);
		if (!n)
			errno = EPIPE;
		if (n <= 0)
			return -1;
	}
	return 0;
}

static const struct peer_ops pipe_ops = { "pipe", pipe_send, pipe_receive };

static int pipe_setup(struct bench *b)
{
	__u32 i;

	for (i = 0; i < b->consumers; i++) {
		if (pipe(b->fds[i]))
			return bench_fail("pipe: %s", strerror(errno));
		/* As large as the ring, if this user may */
		fcntl(b->fds[i][1], F_SETPIPE_SZ, (int)b->ring);
	}
	return STATUS_OK;
}

static int pipe_produce(struct bench *b)
{
	return peer_produce(b, &pipe_ops);
}

static int pipe_consume(struct bench *b, __u32 index)
{
	__u32 i;

	/* Otherwise the end of the producer would go unnoticed */
	for (i = 0; i < b->consumers; i++)
		close(b->fds[i][1]);
	return peer_consume(b, index, &pipe_ops);
}

const struct bench_carrier bench_pipe = {
	.name = "pipe",
	.setup = pipe_setup,
	.produce = pipe_produce,
	.consume = pipe_consume,
	.teardown = peer_teardown,
};

/* ---- POSIX message queues ---- */

static int queue_send(int fd, const char *data, size_t size)
{
	return mq_send(fd, data, size, 0);
}

static int queue_receive(int fd, char *data, size_t size)
{
	ssize_t n = mq_receive(fd, data, size, NULL);

	if (n >= 0 && (size_t)n != size) {
		errno = EMSGSIZE;
		return -1;
	}
	return n < 0 ? -1 : 0;
}

static const struct peer_ops queue_ops = { "posix-mq", queue_send, queue_receive };

static long queue_depth_default(void)
{
	FILE *f = fopen("/proc/sys/fs/mqueue/msg_max", "re");
	long depth = 10;

	if (!f)
		return depth;
	if (fscanf(f, "%ld", &depth) != 1)
		depth = 10;
	fclose(f);
	return depth;
}

static int queue_open(const char *name, long depth, __u32 size)
{
	struct mq_attr attr = { .mq_maxmsg = depth, .mq_msgsize = size };

	return mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
}

static int queue_setup(struct bench *b)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	long depth = b->ring / b->size < 65536 ? b->ring / b->size : 65536;
	char name[80];
	__u32 i;
	int fd;

	/* As deep as the ring if this user may, else as deep as allowed */
	setrlimit(RLIMIT_MSGQUEUE, &unlimited);
	for (i = 0; i < b->consumers; i++) {
		snprintf(name, sizeof(name), "/%s-%u", b->topic, i);
		fd = queue_open(name, depth, b->size);
		if (fd < 0)
			fd = queue_open(name, queue_depth_default(), b->size);
		if (fd < 0)
			return bench_fail("mq_open: %s (sysctl fs.mqueue, ulimit -q)",
					  strerror(errno));
		/* It lives until the last descriptor is closed */
		mq_unlink(name);
		b->fds[i][0] = fd;
		b->fds[i][1] = fd;
	}
	return STATUS_OK;
}

static int queue_produce(struct bench *b)
{
	return peer_produce(b, &queue_ops);
}

static int queue_consume(struct bench *b, __u32 index)
{
	return peer_consume(b, index, &queue_ops);
}

const struct bench_carrier bench_mq = {
	.name = "posix-mq",
	.setup = queue_setup,
	.produce = queue_produce,
	.consume = queue_consume,
	.teardown = peer_teardown,
};
