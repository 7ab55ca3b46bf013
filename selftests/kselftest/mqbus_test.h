/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by all tests: thin wrappers of the raw ioctls. A wrapper returns the call's result or
 * a negative errno, so that a failed EXPECT_EQ prints the number.
 */
#ifndef _MQBUS_TEST_H
#define _MQBUS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kselftest_harness.h>
#include <linux/mqbus.h>

/* A debug kernel may be emulated on a busy machine; the limit still finds tests that hang */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define MQ_DEVICE	"/dev/mqbus"
#define MQ_PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define MQ_MS		1000000ULL
#define MQ_SEC		(1000 * MQ_MS)
#define MQ_HOUR		(3600 * MQ_SEC)
/* No working call takes that long: reaching it is a failure */
#define MQ_LONG		(20 * MQ_SEC)
/* Uids and a gid that the machine does not use */
#define ALICE		61001
#define BOB		61002
#define STAFF		61100
/* Addresses that user memory never has */
#define MQ_KERNEL_ADDR	0xffff888000000000ULL
#define MQ_ODD_ADDR	0x8000000000000000ULL
/* Likewise as a pointer: not 0 in 32-bit programs */
#define MQ_KERNEL_PTR	((void *)(sizeof(void *) == 8 ? (uintptr_t)MQ_KERNEL_ADDR : -4096UL))

/*
 * Each program has its own network namespace, and so its own bus: no test meets names or limits
 * of another one, and leftovers of a failed test go with the program.
 */
__attribute__((constructor)) static void mq_own_bus(void)
{
	if (access(MQ_DEVICE, F_OK) || unshare(CLONE_NEWNET)) {
		printf("1..0 # SKIP needs %s and root: %s\n", MQ_DEVICE, strerror(errno));
		exit(KSFT_SKIP);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline int mq_open(int flags)
{
	int fd = open(MQ_DEVICE, O_RDWR | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

static inline int mq_ioctl(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/* A name that is new in this program */
static inline void mq_name(char name[MQBUS_NAME_SIZE], const char *stem)
{
	static unsigned int count;

	memset(name, 0, MQBUS_NAME_SIZE);
	snprintf(name, MQBUS_NAME_SIZE, "%s.%d.%u", stem, getpid(), count++);
}

static inline void mq_set_name(char to[MQBUS_NAME_SIZE], const char *name)
{
	memset(to, 0, MQBUS_NAME_SIZE);
	memcpy(to, name, strnlen(name, MQBUS_NAME_SIZE));
}

static inline int mq_create_args(int fd, const char *name, struct mqbus_topic_create *args)
{
	mq_set_name(args->name, name);
	return mq_ioctl(fd, MQBUS_IOC_TOPIC_CREATE, args);
}

/* mq_create(fd, name, .partitions = 4, ...): one partition of 64 KiB by default */
#define mq_create(fd, name, ...)						\
	mq_create_args(fd, name, &(struct mqbus_topic_create){			\
		.partitions = 1, .size = 65536, .mode = 0600,			\
		.uid = MQBUS_ANY, .gid = MQBUS_ANY, ##__VA_ARGS__ })

/* mq_topic_set(fd, name, MQBUS_TOPIC_SET_RATE | ..., .rate = 5, ...) */
#define mq_topic_set(fd, name, _fields, ...)					\
	mq_create(fd, name, .flags = MQBUS_TOPIC_F_SET, .fields = (_fields), ##__VA_ARGS__)

static inline int mq_delete(int fd, const char *name)
{
	struct mqbus_topic_delete args = {};

	mq_set_name(args.name, name);
	return mq_ioctl(fd, MQBUS_IOC_TOPIC_DELETE, &args);
}

static inline int mq_group_create_args(int fd, const char *topic, const char *group,
				       struct mqbus_group_create *args)
{
	mq_set_name(args->topic, topic);
	mq_set_name(args->group, group);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_CREATE, args);
}

/* mq_group_make(fd, topic, group, .flags = MQBUS_GROUP_F_OBSERVER, ...) */
#define mq_group_make(fd, topic, group, ...)					\
	mq_group_create_args(fd, topic, group,					\
			     &(struct mqbus_group_create){ .mode = 0600, ##__VA_ARGS__ })

static inline int mq_group_create(int fd, const char *topic, const char *group,
				  __u32 whence, __u64 value, __u32 mode)
{
	return mq_group_make(fd, topic, group, .whence = whence, .value = value, .mode = mode);
}

static inline int mq_group(int fd, const char *topic, const char *group)
{
	return mq_group_create(fd, topic, group, MQBUS_WHENCE_EARLIEST, 0, 0600);
}

static inline int mq_group_set_args(int fd, const char *topic, const char *group,
				    struct mqbus_group_set *args)
{
	mq_set_name(args->topic, topic);
	mq_set_name(args->group, group);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_SET, args);
}

/* mq_group_set(fd, topic, group, MQBUS_GROUP_SET_MODE | ..., .mode = 0666, ...) */
#define mq_group_set(fd, topic, group, _fields, ...)				\
	mq_group_set_args(fd, topic, group,					\
			  &(struct mqbus_group_set){ .fields = (_fields), ##__VA_ARGS__ })

static inline int mq_group_delete(int fd, const char *topic, const char *group, __u32 flags)
{
	struct mqbus_group_delete args = { .flags = flags };

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_DELETE, &args);
}

/* Return: number of affected partitions. */
static inline int mq_seek(int fd, const char *topic, const char *group, __u32 flags,
			  __u32 partition, __u32 whence, __u64 value,
			  struct mqbus_seek_result *results, __u32 room)
{
	struct mqbus_group_seek args = {
		.flags = flags,
		.partition = partition,
		.whence = whence,
		.value = value,
		.results = (uintptr_t)results,
		.nr_results = room,
		.result_size = sizeof(*results),
	};
	int err;

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	err = mq_ioctl(fd, MQBUS_IOC_GROUP_SEEK, &args);
	return err ?: (int)args.nr_results;
}

static inline int mq_bind_producer(int fd, const char *topic)
{
	struct mqbus_produce args = {};

	mq_set_name(args.topic, topic);
	return mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args);
}

static inline int mq_bind_member(int fd, const char *topic, const char *group)
{
	struct mqbus_join args = {};

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	return mq_ioctl(fd, MQBUS_IOC_JOIN, &args);
}

static inline int mq_bound(int fd, int err)
{
	if (fd >= 0 && err) {
		close(fd);
		return err;
	}
	return fd;
}

/* A new endpoint bound to a topic, or a negative errno */
static inline int mq_producer(const char *topic, int flags)
{
	int fd = mq_open(flags);

	return fd < 0 ? fd : mq_bound(fd, mq_bind_producer(fd, topic));
}

static inline int mq_member(const char *topic, const char *group, int flags)
{
	int fd = mq_open(flags);

	return fd < 0 ? fd : mq_bound(fd, mq_bind_member(fd, topic, group));
}

/* Return: number of stored records; *@error: why no more were stored. */
static inline int mq_publish(int fd, const struct mqbus_msg *msgs, __u32 count,
			     struct mqbus_place *places, __u64 timeout, int *error)
{
	struct mqbus_publish args = {
		.count = count,
		.msgs = (uintptr_t)msgs,
		.msg_size = sizeof(*msgs),
		.places = (uintptr_t)places,
		.place_size = sizeof(*places),
		.timeout = timeout,
	};
	int err = mq_ioctl(fd, MQBUS_IOC_PUBLISH, &args);

	if (error)
		*error = err ? -err : (int)args.error;
	return err ?: (int)args.published;
}

static inline struct mqbus_msg mq_msg(const void *value, __u32 len)
{
	return (struct mqbus_msg) {
		.value = (uintptr_t)value,
		.value_len = len,
		.partition = MQBUS_ANY,
	};
}

/* Store a record without a key. Return: 1 or a negative errno */
static inline int mq_put(int fd, const void *value, __u32 len, __u64 timeout)
{
	struct mqbus_msg msg = mq_msg(value, len);

	return mq_publish(fd, &msg, 1, NULL, timeout, NULL);
}

/* Store a record in a partition. */
static inline int mq_put_in(int fd, __u32 partition, const void *value, __u32 len)
{
	struct mqbus_msg msg = mq_msg(value, len);

	msg.partition = partition;
	return mq_publish(fd, &msg, 1, NULL, 0, NULL);
}

/* Return: number of ranges. */
static inline int mq_fetch(int fd, struct mqbus_range *ranges, __u32 room, __u32 flags,
			   __u64 timeout)
{
	struct mqbus_fetch args = {
		.flags = flags,
		.nr_ranges = room,
		.ranges = (uintptr_t)ranges,
		.range_size = sizeof(*ranges),
		.timeout = timeout,
	};
	int err = mq_ioctl(fd, MQBUS_IOC_FETCH, &args);

	return err ?: (int)args.nr_ranges;
}

static inline int mq_commit_fetched(int fd)
{
	struct mqbus_commit args = { .flags = MQBUS_COMMIT_F_FETCHED };

	return mq_ioctl(fd, MQBUS_IOC_COMMIT, &args);
}

static inline int mq_commit(int fd, __u32 partition, __u64 offset)
{
	struct mqbus_commit_entry entry = { .partition = partition, .offset = offset };
	struct mqbus_commit args = {
		.nr_entries = 1,
		.entries = (uintptr_t)&entry,
		.entry_size = sizeof(entry),
	};

	return mq_ioctl(fd, MQBUS_IOC_COMMIT, &args);
}

static inline int mq_geometry(int fd, __u32 partition, struct mqbus_geometry *geo)
{
	*geo = (struct mqbus_geometry) { .partition = partition };
	return mq_ioctl(fd, MQBUS_IOC_GEOMETRY, geo);
}

static inline int mq_info(int fd, struct mqbus_info *info)
{
	memset(info, 0, sizeof(*info));
	return mq_ioctl(fd, MQBUS_IOC_INFO, info);
}

static inline __u64 mq_used(int fd)
{
	struct mqbus_info info;

	return mq_info(fd, &info) ? ~0ULL : info.used_bytes;
}

/* A mapped partition */
struct mq_map {
	struct mqbus_geometry geo;
	const struct mqbus_ring_page *page;
	const unsigned char *data;
};

static inline int mq_map(int fd, __u32 partition, struct mq_map *map)
{
	int err = mq_geometry(fd, partition, &map->geo);
	void *p;

	if (err)
		return err;
	p = mmap(NULL, map->geo.map_len, PROT_READ, MAP_SHARED, fd, map->geo.map_offset);
	if (p == MAP_FAILED)
		return -errno;
	map->page = p;
	map->data = (unsigned char *)p + map->geo.data_offset;
	return 0;
}

static inline void mq_unmap(struct mq_map *map)
{
	munmap((void *)map->page, map->geo.map_len);
}

static inline const struct mqbus_record *mq_record(const struct mq_map *map, __u64 pos)
{
	return (const void *)(map->data + (pos & (map->geo.size - 1)));
}

static inline const unsigned char *mq_value(const struct mqbus_record *rec)
{
	return (const unsigned char *)(rec + 1);
}

/* A member with all partitions mapped, which walks through its records */
struct mq_reader {
	int fd;
	__u32 parts;
	struct mq_map map[8];
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
	int nr, at;
	__u64 pos;
	__u32 partition;	/* of the last record of mq_next() */
	__u64 lost;		/* in total */
};

static inline int mq_reader_open(struct mq_reader *r, const char *topic, const char *group)
{
	struct mqbus_geometry geo;
	int err = 0;
	__u32 i;

	memset(r, 0, sizeof(*r));
	r->fd = mq_member(topic, group, 0);
	if (r->fd < 0)
		return r->fd;
	err = mq_geometry(r->fd, 0, &geo);
	r->parts = geo.partitions;
	for (i = 0; !err && i < r->parts; i++)
		err = mq_map(r->fd, i, &r->map[i]);
	return err;
}

static inline void mq_reader_close(struct mq_reader *r)
{
	__u32 i;

	for (i = 0; i < r->parts; i++)
		mq_unmap(&r->map[i]);
	close(r->fd);
}

/*
 * The next record, or NULL if there is none in time. Earlier records are committed if that
 * needs another fetch.
 */
static inline const struct mqbus_record *mq_next(struct mq_reader *r, __u64 timeout)
{
	const struct mqbus_record *rec;

	while (!r->nr || r->pos == r->ranges[r->at].end) {
		if (++r->at >= r->nr) {
			r->nr = mq_fetch(r->fd, r->ranges, MQBUS_FETCH_MAX,
					 MQBUS_FETCH_F_COMMIT, timeout);
			r->at = 0;
			if (r->nr <= 0) {
				r->nr = 0;
				return NULL;
			}
		}
		r->pos = r->ranges[r->at].begin;
		r->lost += r->ranges[r->at].lost;
	}
	r->partition = r->ranges[r->at].partition;
	rec = mq_record(&r->map[r->partition], r->pos);
	r->pos += rec->size;
	return rec;
}

/* Commit all available records, and forget those that mq_next() has not returned yet. */
static inline void mq_drain(struct mq_reader *r)
{
	while (mq_fetch(r->fd, r->ranges, MQBUS_FETCH_MAX, MQBUS_FETCH_F_COMMIT, 0) > 0)
		;
	r->nr = 0;
}

static inline void mq_sleep(__u64 ns)
{
	struct timespec ts = { .tv_sec = ns / MQ_SEC, .tv_nsec = ns % MQ_SEC };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline __u64 mq_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * MQ_SEC + ts.tv_nsec;
}

/* Memory shared with children */
static inline void *mq_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Pages in front of an inaccessible one. Return: its address */
static inline char *mq_before_hole(size_t pages)
{
	char *p = mmap(NULL, (pages + 1) * MQ_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p + pages * MQ_PAGE, MQ_PAGE))
		return NULL;
	return p + pages * MQ_PAGE;
}

/* MQ_SLOW=N, for debug kernels: an Nth of the work, N times the time */
static inline unsigned int mq_slow(void)
{
	const char *slow = getenv("MQ_SLOW");

	return slow ? strtoul(slow, NULL, 10) : 1;
}

/* A wait that takes longer has failed */
static inline __u64 mq_patience(void)
{
	return mq_clock(CLOCK_MONOTONIC) + 10 * MQ_SEC * mq_slow();
}

/* As mq_used(), once all is given back: a DLQ is released a little later */
static inline __u64 mq_left(int fd)
{
	__u64 end = mq_patience(), left;

	while ((left = mq_used(fd)) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	return left;
}

/*
 * Exit status of a child, or 128 plus the signal that ended it. A child that does not end in
 * time, -ETIMEDOUT, was not woken: children may wait without a limit, and no timeout hides a
 * lost wakeup.
 */
static inline int mq_wait(pid_t pid)
{
	__u64 end = mq_patience(), nap = MQ_MS / 8;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (mq_clock(CLOCK_MONOTONIC) > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -ETIMEDOUT;
		}
		mq_sleep(nap);
		if (nap < 4 * MQ_MS)
			nap *= 2;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int mq_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return mq_wait(pid);
}

/* Run statements in a child, which exits with the value of the last one */
#define mq_fork(pid)	for ((pid) = fork(); !(pid); _exit(0))

/**
 * struct mq_cut - a call that is killed on its way
 * @took: shared with children; ns that the last call took, or 0: it did not end
 * @whole: ns that the quickest one took
 * @tries: how often it was made
 */
struct mq_cut {
	volatile __u64 *took;
	__u64 whole;
	unsigned int tries;
};

/* Kill the caller in so many ns, wherever it is then */
static inline void mq_die_in(__u64 ns)
{
	struct sigevent kill = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec at = {
		.it_value = { .tv_sec = ns / MQ_SEC, .tv_nsec = ns % MQ_SEC },
	};
	timer_t timer;

	timer_create(CLOCK_MONOTONIC, &kill, &timer);
	timer_settime(timer, 0, &at, NULL);
}

/*
 * Make a call in a child: the first may end, the others are killed a 16th later each, up to half
 * as long again as the quickest one took. A timer of the child's kills, as a parent that is to run
 * comes too late on a busy machine.
 */
static inline void mq_cut(struct mq_cut *cut, void (*call)(void *arg), void *arg)
{
	__u64 begin;
	pid_t pid;

	*cut->took = 0;
	mq_fork(pid) {
		if (cut->tries)
			mq_die_in(cut->whole * (cut->tries % 24 + 1) / 16 + 1);
		begin = mq_clock(CLOCK_MONOTONIC);
		call(arg);
		*cut->took = mq_clock(CLOCK_MONOTONIC) - begin;
	}
	mq_wait(pid);
	if (*cut->took && (!cut->tries || *cut->took < cut->whole))
		cut->whole = *cut->took;
	cut->tries++;
}

/*
 * Wait until a task sleeps in a system call; false if it never does. The tests of waking are
 * about a sleeping task, which a fixed nap may miss.
 */
static inline bool mq_wait_asleep(pid_t tid, long nr)
{
	__u64 end = mq_patience();
	char path[64], text[256];

	while (mq_clock(CLOCK_MONOTONIC) < end) {
		ssize_t n = -1;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, text, sizeof(text) - 1);
			close(fd);
		}
		text[n > 0 ? n : 0] = 0;
		/* The file says "running", which is no number */
		if (*text >= '0' && *text <= '9' && strtol(text, NULL, 10) == nr)
			return true;
		mq_sleep(MQ_MS / 2);
	}
	return false;
}

/* Write a number to a file of /proc or /sys. Return: 0 or a negative errno */
static inline int mq_write_number(const char *path, unsigned long long value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%llu\n", value) < 0)
		err = -errno;
	close(fd);
	return err;
}

static inline long long mq_read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long value = -1;

	if (f) {
		if (fscanf(f, "%lld", &value) != 1)
			value = -1;
		fclose(f);
	}
	return value;
}

/* This program's name in the kernel */
static inline const char *mq_comm(void)
{
	static char comm[16];

	prctl(PR_GET_NAME, comm);
	return comm;
}

#define MQ_REFCNT	"/sys/module/mqbus/refcnt"
#define MQ_USER_MBYTES	"/sys/module/mqbus/parameters/max_user_mbytes"
#define MQ_SYSCTL(name)	"/proc/sys/net/mqbus/" name

/*
 * Give up all rights: supplementary groups, and all capabilities with the uid. An endpoint
 * opened before keeps its opener's rights.
 */
static inline int mq_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

#endif /* _MQBUS_TEST_H */
