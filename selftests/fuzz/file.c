// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on an endpoint as a file, and on its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define DEVICE	"/dev/mqbus"

static unsigned int slot_of(__u16 arg)
{
	return value_of(K_SLOT, arg);
}

static int fd_of(__u16 arg)
{
	return atomic_load(&world.fd[slot_of(arg)]);
}

static void slot_put(unsigned int slot, int fd, int role)
{
	int old = atomic_exchange(&world.fd[slot], fd);

	atomic_store(&world.role[slot], role);
	if (old >= 0)
		close(old);
}

long do_open(struct worker *w, const struct op *op)
{
	unsigned int user = value_of(K_SMALL, op->arg[2]);
	int fd;

	/* of the thread alone; the file keeps its own */
	if (user)
		syscall(SYS_setfsuid, 1000 + user);
	fail_arm(w, op->fail);
	fd = open(DEVICE, (int)value_of(K_OPEN, op->arg[1]) | O_CLOEXEC);
	fail_disarm(w);
	if (user)
		syscall(SYS_setfsuid, 0);
	if (fd < 0)
		return -1;
	slot_put(slot_of(op->arg[0]), fd, ROLE_NONE);
	return 0;
}

long do_close(struct worker *w, const struct op *op)
{
	slot_put(slot_of(op->arg[0]), -1, ROLE_NONE);
	return 0;
}

long do_dup(struct worker *w, const struct op *op)
{
	unsigned int from = slot_of(op->arg[0]);
	int fd = fcntl(fd_of(op->arg[0]), F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -1;
	slot_put(slot_of(op->arg[1]), fd, atomic_load(&world.role[from]));
	return 0;
}

static int pieces(struct worker *w, struct iovec *v, size_t size, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		v[i].iov_len = i + 1 < n ? size / n : size - i * (size / n);
		v[i].iov_base = memory_payload(w, v[i].iov_len);
	}
	return n;
}

/* In one piece or in many, blocking by flag or by the file's setting */
long do_read(struct worker *w, const struct op *op)
{
	size_t size = value_of(K_BYTES, op->arg[1]);
	unsigned int how = value_of(K_SMALL, op->arg[2]);
	/* writable memory only: the payload of others must stay as it is */
	char *to = memory_elements(w, size < HEAP_SIZE / 2 ? size : HEAP_SIZE / 2);
	struct iovec v[4];
	long ret;

	if (size > HEAP_SIZE / 2)
		size = HEAP_SIZE / 2;
	if (w->mem && size > 4000)
		size = 4000;
	if (w->mem)
		to = memory_struct(w, to, size);
	fail_arm(w, op->fail);
	if (how < 4) {
		ret = read(fd_of(op->arg[0]), to, size);
	} else {
		unsigned int n = how - 3, i;

		for (i = 0; i < n; i++) {
			v[i].iov_base = to + i * (size / n);
			v[i].iov_len = size / n;
		}
		ret = how & 1 ? readv(fd_of(op->arg[0]), v, n) :
				preadv2(fd_of(op->arg[0]), v, n, -1, RWF_NOWAIT);
	}
	fail_disarm(w);
	return ret;
}

long do_write(struct worker *w, const struct op *op)
{
	size_t size = value_of(K_BYTES, op->arg[1]);
	unsigned int how = value_of(K_SMALL, op->arg[2]);
	struct iovec v[4];
	long ret;
	int n;

	if (size > MQBUS_RECORD_MAX + 1)
		size = MQBUS_RECORD_MAX + 1;
	n = pieces(w, v, size, how < 4 ? 1 : how - 3);
	fail_arm(w, op->fail);
	if (how < 3)
		ret = write(fd_of(op->arg[0]), v[0].iov_base, v[0].iov_len);
	else
		ret = how & 1 ? writev(fd_of(op->arg[0]), v, n) :
				pwritev2(fd_of(op->arg[0]), v, n, -1, RWF_NOWAIT);
	fail_disarm(w);
	return ret;
}

long do_poll(struct worker *w, const struct op *op)
{
	struct pollfd p[2] = {
		{ .fd = fd_of(op->arg[0]), .events = value_of(K_EVENTS, op->arg[1]) },
		{ .fd = fd_of(op->arg[2]), .events = POLLIN | POLLOUT | POLLPRI },
	};

	return poll(p, 1 + (op->arg[2] & 1), 0);
}

static int epoll_of_world(void)
{
	int fd = atomic_load(&world.epoll), none = -1;

	if (fd >= 0)
		return fd;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (atomic_compare_exchange_strong(&world.epoll, &none, fd))
		return fd;
	close(fd);
	return none;
}

long do_epoll_ctl(struct worker *w, const struct op *op)
{
	struct epoll_event e = { .events = value_of(K_EVENTS, op->arg[2]) };

	return epoll_ctl(epoll_of_world(), value_of(K_EPOLL, op->arg[1]), fd_of(op->arg[0]), &e);
}

long do_epoll_wait(struct worker *w, const struct op *op)
{
	struct epoll_event e[4];

	return epoll_wait(epoll_of_world(), e, 1 + value_of(K_SMALL, op->arg[0]) % 4, 0);
}

long do_fcntl(struct worker *w, const struct op *op)
{
	int how = value_of(K_SMALL, op->arg[1]), fd = fd_of(op->arg[0]);

	if (how < 6)
		return fcntl(fd, F_SETFL, how & 1 ? O_NONBLOCK : 0);
	return how == 6 ? lseek(fd, 1, SEEK_CUR) : fsync(fd);
}

/* Move a mapping to an address without one */
static long map_put(unsigned int at, void *p, size_t len)
{
	uintptr_t none = 0;

	if (len / 4096 < 4096 &&
	    atomic_compare_exchange_strong(&world.map[at], &none, (uintptr_t)p | len / 4096))
		return 0;
	return munmap(p, len);
}

long do_mmap(struct worker *w, const struct op *op)
{
	struct mqbus_geometry g = { .partition = value_of(K_PARTITION, op->arg[2]) };
	int fd = fd_of(op->arg[0]);
	size_t len;
	void *p;

	if (g.partition == MQBUS_ANY)
		g.partition = 0;
	if (ioctl(fd, MQBUS_IOC_GEOMETRY, &g))
		g.map_len = 12288;
	len = g.map_len + value_of(K_ZERO, op->arg[5]) * 4096;
	if (!len || len > 8 << 20)
		len = 12288;
	p = mmap(NULL, len, value_of(K_PROT, op->arg[3]), value_of(K_MAPFLAGS, op->arg[4]), fd,
		 g.map_offset + value_of(K_ZERO, op->arg[6]) * 4096);
	return p == MAP_FAILED ? -1 : map_put(value_of(K_MAP, op->arg[1]), p, len);
}

long do_munmap(struct worker *w, const struct op *op)
{
	unsigned int at = value_of(K_MAP, op->arg[0]);
	unsigned int part = value_of(K_SMALL, op->arg[1]);
	uintptr_t map;

	/* Part of a mapping: refused. All of it: unmapped. */
	if (part) {
		map = atomic_load(&world.map[at]);
		return map ? munmap(map_at(map) + part % map_pages(map) * 4096, 4096) : -1;
	}
	map = atomic_exchange(&world.map[at], 0);
	return map ? munmap(map_at(map), map_pages(map) * 4096) : -1;
}

long do_mremap(struct worker *w, const struct op *op)
{
	static const size_t lens[] = { 0, 4096, 8192, 12288, 65536 };
	unsigned int at = value_of(K_MAP, op->arg[0]), how = value_of(K_SMALL, op->arg[1]);
	/* no other thread maps there meanwhile */
	uintptr_t map = atomic_exchange(&world.map[at], 0);
	size_t old = map_pages(map) * 4096, len = lens[how % ARRAY_SIZE(lens)] ?: old;
	bool twice = how > 4;
	void *p;

	if (!map)
		return -1;
	p = mremap(map_at(map), twice ? 0 : old, len, MREMAP_MAYMOVE);
	if (p == MAP_FAILED || twice) {
		map_put(at, map_at(map), old);
		return p == MAP_FAILED ? -1 : munmap(p, len);
	}
	return map_put(at, p, len);
}

long do_mprotect(struct worker *w, const struct op *op)
{
	uintptr_t map = atomic_load(&world.map[value_of(K_MAP, op->arg[0])]);
	unsigned int part = value_of(K_SMALL, op->arg[2]);

	if (!map)
		return -1;
	if (part == 7)
		return madvise(map_at(map), map_pages(map) * 4096, MADV_DONTNEED);
	return mprotect(map_at(map) + part % map_pages(map) * 4096,
			part ? 4096 : map_pages(map) * 4096, value_of(K_PROT, op->arg[1]));
}

long do_touch(struct worker *w, const struct op *op)
{
	uintptr_t map = atomic_load(&world.map[value_of(K_MAP, op->arg[0])]);
	volatile unsigned int n = value_of(K_SMALL, op->arg[1]);
	sigjmp_buf jump;

	if (!map)
		return -1;
	/* it may be unmapped, or never have been readable */
	if (sigsetjmp(jump, 1)) {
		w->jump = NULL;
		return -1;
	}
	w->jump = &jump;
	for (; n < map_pages(map); n += 2)
		*(volatile char *)(map_at(map) + n * 4096);
	w->jump = NULL;
	return 0;
}

/*
 * A child runs the next few operations and is killed in the middle of one, or kills itself. It
 * shares its open files.
 */
long do_fork(struct worker *w, const struct op *op)
{
	unsigned int count = value_of(K_SMALL, op->arg[0]), i;
	struct itimerval soon = {
		.it_value.tv_usec = 200 << value_of(K_SMALL, op->arg[1]),
	};
	const struct program *p = w->program;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(world.child) && world.child[i] > 0; i++)
		;
	if (i == ARRAY_SIZE(world.child))
		return -1;
	pid = fork();
	if (pid) {
		world.child[i] = pid;
		return pid < 0 ? -1 : 0;
	}
	/* The default action kills it */
	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &soon, NULL);
	for (i = op - p->op + 1; i < p->nr && count--; i++)
		if (calls[p->op[i].call].run != do_fork)
			execute_op(w, &p->op[i]);
	raise(SIGKILL);
	_exit(0);
}

static int pair_of_world(int end)
{
	static atomic_flag making = ATOMIC_FLAG_INIT;
	int fds[2];

	if (atomic_load(&world.pair[end]) < 0 && !atomic_flag_test_and_set(&making)) {
		if (atomic_load(&world.pair[0]) < 0 &&
		    !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds)) {
			atomic_store(&world.pair[0], fds[0]);
			atomic_store(&world.pair[1], fds[1]);
		}
		atomic_flag_clear(&making);
	}
	return atomic_load(&world.pair[end]);
}

/* Return: a file from a message, or -1 if there is none */
static int receive_one(int sock)
{
	char room[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

void pair_empty(void)
{
	int sock = atomic_load(&world.pair[1]), fd;

	while (sock >= 0 && (fd = receive_one(sock)) >= 0)
		close(fd);
}

/* An endpoint in a message; the message alone holds it once it is closed */
long do_pass(struct worker *w, const struct op *op)
{
	char room[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = fd_of(op->arg[0]);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(pair_of_world(0), &m, 0);
}

long do_receive(struct worker *w, const struct op *op)
{
	int fd = receive_one(pair_of_world(1));

	if (fd < 0)
		return -1;
	slot_put(slot_of(op->arg[0]), fd, ROLE_PRODUCER + (op->arg[0] & 1));
	return 0;
}

long do_signal(struct worker *w, const struct op *op)
{
	const struct worker *to = &workers[value_of(K_SMALL, op->arg[0]) % THREADS];

	return syscall(SYS_tgkill, getpid(), to->tid, SIGUSR1);
}

long do_sleep(struct worker *w, const struct op *op)
{
	struct timespec t = { .tv_nsec = 500 << value_of(K_SMALL, op->arg[0]) };

	return nanosleep(&t, NULL);
}

/* An ioctl of any number, size and direction, with any content */
long do_raw(struct worker *w, const struct op *op)
{
	static const unsigned int sizes[] = { 0, 1, 8, 48, 264, 600, 4096, 16383 };
	unsigned int size = sizes[value_of(K_SMALL, op->arg[3])], i;
	unsigned long cmd = _IOC(op->arg[1] & 3, MQBUS_IOC_MAGIC, op->arg[2] % 20, size);
	char *p = memory_elements(w, size + 8);

	rng_seed(&w->rng, op->arg[4]);
	for (i = 0; i + 8 <= size; i += 8) {
		__u64 word = rng_once(&w->rng, 4) ? rng_next(&w->rng) >> rng_below(&w->rng, 64) : 0;

		memcpy(p + i, &word, 8);
	}
	/* as of an older program: the structure, but shorter */
	if (size && rng_once(&w->rng, 2))
		memset(p, 0, size);
	return ioctl(fd_of(op->arg[0]), cmd, memory_struct(w, p, size));
}

/* As many members as a group takes, or few */
long do_crowd(struct worker *w, const struct op *op)
{
	static const int most[] = { 2, 4, 16, 64, 4095, 4096, 4097, 4100 };
	int n = most[value_of(K_SMALL, op->arg[2])], fd;
	struct mqbus_join j = { 0 };
	const char *name;
	size_t len;

	if (w->index)
		return -1;
	name = name_of(value_of(K_TOPIC, op->arg[0]), &len);
	memcpy(j.topic, name, len);
	name = name_of(value_of(K_GROUP, op->arg[1]), &len);
	memcpy(j.group, name, len);
	while (world.crowd_nr < n && world.crowd_nr < (int)ARRAY_SIZE(world.crowd)) {
		fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return -1;
		world.crowd[world.crowd_nr++] = fd;
		/* Thousands of calls, each of which returns */
		steady_go_on();
		if (ioctl(fd, MQBUS_IOC_JOIN, &j)) {
			/* an endpoint that failed to join can still be bound */
			world.crowd_nr--;
			slot_put(SLOTS - 1, fd, ROLE_NONE);
			return -1;
		}
	}
	return 0;
}
