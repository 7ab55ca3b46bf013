// SPDX-License-Identifier: GPL-2.0
/*
 * The longest time that the module's spinlocks are held, in the worst set-ups that a user can
 * create. Each is run several times while the function tracer records locking and unlocking. A
 * section begins when a task without a spinlock takes one in the module, and ends when it
 * releases the last. Where nanoseconds count instructions (ICOUNT=1) the figures are the same
 * on each machine, and have limits.
 *
 * A figure includes the tracer's own work for each lock inside a section. The tracer counts
 * whole microseconds, which are 1000 instructions.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "../kselftest/dump.h"
#include "../kselftest/figures.h"
#include "../kselftest/queue.h"
#include "../kselftest/transact.h"

#define TRACING		"/sys/kernel/tracing/"
#define ROUNDS		3
#define PARTS_MAX	1024
#define MEMBERS		4096

static bool traced;
static unsigned long long first_symbol = ~0ULL, last_symbol;	/* of the module */
static char topic[MQBUS_NAME_SIZE], other[MQBUS_NAME_SIZE];
static int ctl, fd, fds[MEMBERS + 8];
static char *block;
static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
static struct mqbus_leased leased[MQBUS_LEASE_MAX];
static struct mqbus_settle settles[MQBUS_LEASE_MAX];

static void must(int good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

#define MUST(call)	must(call, #call)

static void trace_write(const char *file, const char *text, int flags)
{
	char path[128];
	int f;

	if (!traced)
		return;
	snprintf(path, sizeof(path), TRACING "%s", file);
	f = open(path, O_WRONLY | flags);
	must(f >= 0 && write(f, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(f);
}

static void tracing(const char *file, const char *text)
{
	trace_write(file, text, O_TRUNC);
}

static void trace_open(void)
{
	char line[256], name[64], owner[64];
	unsigned long long at;
	FILE *f;

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	f = fopen(TRACING "available_tracers", "r");
	while (f && fscanf(f, "%63s", name) == 1)
		traced |= !strcmp(name, "function");
	if (f)
		fclose(f);
	f = fopen("/proc/kallsyms", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*s %63s %63s", &at, name, owner) != 3 ||
		    strcmp(owner, "[mqbus]"))
			continue;
		first_symbol = at < first_symbol ? at : first_symbol;
		last_symbol = at > last_symbol ? at : last_symbol;
	}
	if (f)
		fclose(f);
	tracing("tracing_on", "0");
	tracing("buffer_size_kb", "32768");
	tracing("trace_options", "sym-addr");
	tracing("set_ftrace_filter", "_raw_spin_lock\n");
	trace_write("set_ftrace_filter", "_raw_spin_unlock\n", O_APPEND);
	tracing("current_tracer", "function");
}

/* The longest section since trace_begin() */
struct section {
	unsigned long us;
	unsigned int locks;		/* locks taken in it, with the first */
	char begin[64];
	char end[64];
};

static void trace_begin(void)
{
	/* Opening the file for writing empties it */
	tracing("trace", "\n");
	tracing("tracing_on", "1");
}

static struct section trace_end(void)
{
	struct section worst = {}, s = {};
	unsigned long long sec, us, begin = 0, at;
	char line[512], call[64], by[64], *p;
	unsigned int depth = 0;
	FILE *f;

	tracing("tracing_on", "0");
	f = traced ? fopen(TRACING "trace", "r") : NULL;
	while (f && fgets(line, sizeof(line), f)) {
		p = strchr(line, ']');
		if (line[0] == '#' || !p ||
		    sscanf(p, "] %*s %llu.%llu: %63s <%*[^>]> <-%63s <%llx>", &sec, &us, call, by,
			   &at) != 5)
			continue;
		us += sec * 1000000;
		if (strcmp(call, "_raw_spin_unlock")) {
			if (!depth && (at < first_symbol || at > last_symbol))
				continue;
			if (!depth++) {
				begin = us;
				s.locks = 0;
				strcpy(s.begin, by);
			}
			s.locks++;
		} else if (depth && !--depth) {
			s.us = us - begin;
			strcpy(s.end, by);
			if (s.us > worst.us)
				worst = s;
		}
	}
	if (f)
		fclose(f);
	return worst;
}

static int number_put(__u32 part, unsigned int count, __u32 len)
{
	unsigned int i, n;
	int ret = 0;

	for (; count; count -= n) {
		n = count < MQBUS_BATCH_MAX ? count : MQBUS_BATCH_MAX;
		for (i = 0; i < n; i++) {
			msgs[i] = mq_msg(block, len);
			msgs[i].partition = part;
		}
		ret = mq_publish(fd, msgs, n, NULL, 0, NULL);
		if (ret != (int)n)
			return 0;
	}
	return 1;
}

static int take_all(int worker, unsigned int want)
{
	unsigned int got = 0;
	int ret;

	while (got < want) {
		ret = take(worker, leased + got, want - got, 0);
		if (ret <= 0)
			return 0;
		got += ret;
	}
	return 1;
}

static void gone(void)
{
	mq_delete(ctl, topic);
	mq_delete(ctl, other);
	close(fd);
	fd = -1;
}

/* A record of 256 KiB that evicts 4096 of the smallest */
static void large_begin(void)
{
	MUST(!mq_create(ctl, topic, .size = 1 << 20, .max_record = MQBUS_RECORD_MAX,
			.full = MQBUS_FULL_EVICT));
	MUST(!mq_group(ctl, topic, "s"));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void large_fill(void)
{
	MUST(number_put(0, (1 << 20) / sizeof(struct mqbus_record), 0));
}

static void large(void)
{
	MUST(mq_put(fd, block, MQBUS_RECORD_MAX, 0) == 1);
}

/* A batch of 64 KiB of the smallest records that evicts as many */
static void batch(void)
{
	MUST(number_put(0, 65536 / sizeof(struct mqbus_record), 0));
}

/* A transaction of 320 KiB in 64 partitions, from the smallest records */
static void transact_begin(void)
{
	__u32 i;

	MUST(!mq_create(ctl, topic, .size = 65536, .partitions = 64, .full = MQBUS_FULL_EVICT));
	MUST(!mq_group(ctl, topic, "s"));
	MUST((fd = mq_producer(topic, 0)) >= 0);
	for (i = 0; i < 64; i++)
		MUST(number_put(i, 65536 / sizeof(struct mqbus_record), 0));
}

static void transact(void)
{
	struct mqbus_act act;
	__u32 i;

	for (i = 0; i < MQBUS_TRANSACT_MAX; i++) {
		msgs[i] = mq_msg(block, MQBUS_TRANSACT_BYTES / MQBUS_TRANSACT_MAX -
					sizeof(struct mqbus_record));
		msgs[i].partition = i % 64;
	}
	act = act_publish(fd, msgs, MQBUS_TRANSACT_MAX);
	MUST(!mq_transact(ctl, &act, 1, 0, NULL));
}

/* As many of the smallest records, each of which evicts an unsettled one */
static void transact_late(void)
{
	struct mqbus_act act;
	__u32 i;

	for (i = 0; i < 1024; i++) {
		msgs[i] = mq_msg(block, 0);
		msgs[i].partition = i % 64;
	}
	act = act_publish(fd, msgs, 1024);
	MUST(!mq_transact(ctl, &act, 1, 0, NULL));
}

/* A queue of 8192 small records with keys, leased 4096 at a time */
static void queue_begin(void)
{
	MUST(!mq_create(ctl, topic, .size = 4 << 20, .max_record = 1024));
	MUST(!mq_queue(ctl, topic, "g", NULL, .max_inflight = 16384));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void queue_fill(void)
{
	MUST(number_put(0, MQBUS_LEASE_MAX, 8));
	MUST((fds[0] = mq_member(topic, "g", 0)) >= 0);
	MUST(take_all(fds[0], MQBUS_LEASE_MAX));
}

static void queue_close(void)
{
	if (fds[0] >= 0) {
		/* The rest goes to the next member that takes */
		struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };

		mq_ioctl(fds[0], MQBUS_IOC_LEASE, &args);
		close(fds[0]);
	}
	fds[0] = mq_member(topic, "g", 0);
	while (take(fds[0], leased, 4096, 0) > 0) {
		struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };

		mq_ioctl(fds[0], MQBUS_IOC_LEASE, &args);
	}
	close(fds[0]);
	fds[0] = -1;
}

static void settle_as(__u32 what, __u32 n, __u64 delay)
{
	__u32 i;

	for (i = 0; i < n; i++)
		settles[i] = (struct mqbus_settle) {
			.lease = leased[i].lease, .what = what, .delay = delay,
		};
}

static void settle_transacted(void)
{
	struct mqbus_act act = act_settle(fds[0], settles, MQBUS_TRANSACT_MAX);

	settle_as(MQBUS_ACK, MQBUS_TRANSACT_MAX, 0);
	MUST(!mq_transact(ctl, &act, 1, 0, NULL));
}

static void settle_many_acks(void)
{
	settle_as(MQBUS_ACK, MQBUS_TRANSACT_MAX, 0);
	MUST(settle_many(fds[0], settles, MQBUS_TRANSACT_MAX) > 0);
}

/* Each is copied to the retry ring */
static void settle_delayed(void)
{
	settle_as(MQBUS_NACK, MQBUS_TRANSACT_MAX, 3600 * MQ_SEC);
	MUST(settle_many(fds[0], settles, MQBUS_TRANSACT_MAX) > 0);
}

static void death(void)
{
	close(fds[0]);
	fds[0] = -1;
}

/* Leases that all expire at the same time; the group's work handles them */
static void expiry_fill(void)
{
	MUST(number_put(0, MQBUS_LEASE_MAX, 8));
	MUST((fds[0] = mq_member(topic, "g", 0)) >= 0);
	MUST(take_timed(fds[0], leased, MQBUS_LEASE_MAX, 200 * MQ_MS, 0) > 0);
}

static void expiry(void)
{
	mq_sleep(400 * MQ_MS);
}

/* Dead letters without room */
static void dead_begin(void)
{
	MUST(!mq_create(ctl, other, .size = 16384));
	MUST(!mq_group(ctl, other, "s"));
	MUST(!mq_create(ctl, topic, .size = 4 << 20, .max_record = 1024));
	MUST(!mq_queue(ctl, topic, "g", other, .max_inflight = 65536));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void dead(void)
{
	settle_as(MQBUS_REJECT, MQBUS_LEASE_MAX, 0);
	MUST(settle_many(fds[0], settles, MQBUS_LEASE_MAX) > 0);
}

/* Many members of a group with many partitions */
static void members_begin(void)
{
	int i;

	MUST(!mq_create(ctl, topic, .size = 4096, .partitions = PARTS_MAX));
	MUST(!mq_group(ctl, topic, "s"));
	for (i = 0; i < MEMBERS - 2; i++)
		MUST((fds[i] = mq_member(topic, "s", 0)) >= 0);
	fd = -1;
}

static void members(void)
{
	int a = mq_member(topic, "s", 0);

	MUST(a >= 0);
	close(a);
}

static void members_end(void)
{
	int i;

	gone();
	for (i = 0; i < MEMBERS - 2; i++)
		close(fds[i]);
}

#define NAMED	1000

/*
 * Members with names that differ at the end, whose departure a listener hears of; no grace time
 * at first
 */
static void named_begin(void)
{
	struct family f;

	MUST(!mq_create(ctl, topic, .size = 4096, .partitions = PARTS_MAX));
	MUST(!mq_group(ctl, topic, "s"));
	MUST((fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)) >= 0);
	MUST(family_find(fd, &f) >= 0);
	MUST(!setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &f.events, sizeof(f.events)));
}

static void named_fill(void)
{
	struct mqbus_join args = {};
	int i;

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, "s");
	memset(args.member, 'm', sizeof(args.member) - 8);
	for (i = 0; i < NAMED; i++) {
		snprintf(args.member + sizeof(args.member) - 8, 8, "%d", i);
		if (fds[i] < 0) {
			MUST((fds[i] = mq_open(0)) >= 0);
			MUST(!mq_ioctl(fds[i], MQBUS_IOC_JOIN, &args));
		}
	}
}

static void named_close(void)
{
	int i;

	for (i = 0; i < NAMED; i++) {
		close(fds[i]);
		fds[i] = -1;
	}
}

static void fenced(void)
{
	MUST(mq_seek(ctl, topic, "s", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
		     MQBUS_WHENCE_LATEST, 0, NULL, 0) >= 0);
}

static void away_begin(void)
{
	struct mqbus_group_set args = { .fields = MQBUS_GROUP_SET_GRACE };

	named_begin();
	mq_set_name(args.topic, topic);
	mq_set_name(args.group, "s");
	args.stream.grace = MQ_MS;
	MUST(!mq_ioctl(ctl, MQBUS_IOC_GROUP_SET, &args));
}

/* The grace time of all is over before the work runs */
static void away(void)
{
	const struct sched_param first = { .sched_priority = 1 }, none = {};

	MUST(!sched_setscheduler(0, SCHED_FIFO, &first));
	named_close();
	MUST(!sched_setscheduler(0, SCHED_OTHER, &none));
	mq_sleep(100 * MQ_MS);
}

/* A share that drops many small settled records of another uid */
static void share_begin(void)
{
	MUST(!mq_create(ctl, topic, .size = 1 << 20, .max_record = 65536, .share = 10));
	MUST(!mq_group(ctl, topic, "s"));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void share_fill(void)
{
	struct mqbus_range ranges[4];
	int member = mq_member(topic, "s", 0);

	while (number_put(0, 16, 0))
		;
	while (mq_fetch(member, ranges, 4, MQBUS_FETCH_F_COMMIT, 0) > 0)
		;
	close(member);
}

static void share(void)
{
	MUST(mq_put(fd, block, 60000, 0) == 1);
}

/* A queue of 1024 partitions with records in the retry ring */
static void seek_begin(void)
{
	MUST(!mq_create(ctl, topic, .size = 4096, .partitions = PARTS_MAX, .max_record = 64));
	MUST(!mq_queue(ctl, topic, "g", NULL, .max_inflight = 16384, .retry_size = 4 << 20));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void seek_fill(void)
{
	__u32 i;

	for (i = 0; i < PARTS_MAX; i++)
		MUST(number_put(i, 4, 8));
	MUST((fds[0] = mq_member(topic, "g", 0)) >= 0);
	MUST(take_all(fds[0], MQBUS_LEASE_MAX));
	settle_as(MQBUS_NACK, MQBUS_LEASE_MAX, 3600 * MQ_SEC);
	MUST(settle_many(fds[0], settles, MQBUS_LEASE_MAX) > 0);
	close(fds[0]);
}

static void seek(void)
{
	MUST(mq_seek(ctl, topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
		     MQBUS_WHENCE_LATEST, 0, NULL, 0) >= 0);
}

static void group_set(void)
{
	MUST(!mq_set(ctl, topic, "g", MQBUS_GROUP_SET_CREDIT, NULL, .credit = 10000));
}

/* A waiter for 1024 partitions, woken by each settlement */
static void wait_begin(void)
{
	MUST(!mq_create(ctl, topic, .size = 4096, .partitions = PARTS_MAX));
	MUST(!mq_group(ctl, topic, "s"));
	MUST((fd = mq_producer(topic, 0)) >= 0);
}

static void wait_for(void)
{
	struct mqbus_wait args = { .timeout = MQ_MS };

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, "s");
	mq_ioctl(ctl, MQBUS_IOC_WAIT, &args);
}

/* With gigabytes each page takes as long */
static void delete_fill(void)
{
	MUST(!mq_create(ctl, other, .size = 16 << 20, .partitions = 4));
}

static void delete(void)
{
	MUST(!mq_delete(ctl, other));
}

#define LISTED	64

/* A listing of groups with 1024 partitions */
static void list_begin(void)
{
	int i;

	seek_begin();
	MUST(!mq_group(ctl, topic, "s"));
	for (i = 0; i < LISTED; i++)
		MUST((fds[i] = mq_member(topic, "s", 0)) >= 0);
	MUST((fds[LISTED] = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)) >= 0);
}

static void list(int cmd)
{
	struct timespec begin, end;
	struct slow_dump d;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	MUST(!slow_dump_begin(&d, family_id(fds[LISTED]), cmd));
	while (!d.done)
		MUST(slow_dump_next(&d) >= 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	close(d.fd);
	printf("# %u messages in %lld us\n", d.messages, (end.tv_sec - begin.tv_sec) * 1000000LL +
	       (end.tv_nsec - begin.tv_nsec) / 1000);
}

static void list_groups(void)
{
	list(MQBUS_CMD_GROUP_GET);
}

static void list_end(void)
{
	int i;

	gone();
	for (i = 0; i <= LISTED; i++)
		close(fds[i]);
}

static const struct load {
	const char *name;
	unsigned long limit;		/* microseconds, which are 1000 instructions */
	void (*set_up)(void);
	void (*fill)(void);		/* before each round */
	void (*round)(void);
	void (*after)(void);
	void (*end)(void);
} loads[] = {
	{ "a record of 256 KiB", 150, large_begin, large_fill, large, NULL, gone },
	{ "a batch of 64 KiB", 50, large_begin, large_fill, batch, NULL, gone },
	{ "a transaction of 320 KiB", 450, transact_begin, NULL, transact, NULL, gone },
	{ "a transaction of 64 KiB that evicts", 300, transact_begin, NULL, transact_late, NULL,
	  gone },
	{ "a transaction of 1024 settlements", 400, queue_begin, queue_fill, settle_transacted,
	  queue_close, gone },
	{ "1024 settlements", 50, queue_begin, queue_fill, settle_many_acks, queue_close, gone },
	{ "1024 delayed", 60, queue_begin, queue_fill, settle_delayed, queue_close, gone },
	{ "a death with 4096 leases", 100, queue_begin, queue_fill, death, queue_close, gone },
	{ "4096 leases that run out", 220, queue_begin, expiry_fill, expiry, queue_close, gone },
	{ "dead letters into a full topic", 200, dead_begin, queue_fill, dead, NULL, gone },
	{ "a member more among 4094", 400, members_begin, NULL, members, NULL, members_end },
	{ "1000 members that are fenced", 220, named_begin, named_fill, fenced, named_close, gone },
	{ "1000 members whose grace is over", 400, away_begin, named_fill, away, NULL, gone },
	{ "a record that a share drops many for", 100, share_begin, share_fill, share, NULL, gone },
	{ "a seek of 1024 partitions", 220, seek_begin, seek_fill, seek, NULL, gone },
	{ "options of a group", 20, queue_begin, queue_fill, group_set, queue_close, gone },
	{ "a wait for 1024 partitions", 20, wait_begin, NULL, wait_for, NULL, gone },
	{ "a list of groups of 1024 partitions", 25, list_begin, NULL, list_groups, NULL,
	  list_end },
	{ "a topic of 64 MiB deleted", 20, queue_begin, delete_fill, delete, NULL, gone },
};

static void run(const struct load *l, unsigned int number)
{
	struct section worst = {}, s;
	unsigned int round;

	mq_name(topic, "latency");
	mq_name(other, "other");
	memset(fds, 0xff, sizeof(fds));
	l->set_up();
	for (round = 0; round < ROUNDS; round++) {
		if (l->fill)
			l->fill();
		trace_begin();
		l->round();
		s = trace_end();
		if (s.us > worst.us)
			worst = s;
		if (l->after)
			l->after();
	}
	l->end();
	printf("# %-38s %5lu us, limit %4lu, %3u locks: %s ... %s\n", l->name, worst.us,
	       l->limit, worst.locks, worst.begin, worst.end);
	printf("%s %u - %s%s\n", worst.us > l->limit ? "not ok" : "ok", number, l->name,
	       traced ? "" : " # SKIP there is no function tracer");
}

int main(int argc, char **argv)
{
	const struct rlimit files = { MEMBERS + 64, MEMBERS + 64 };
	unsigned int i, n = 0;

	setrlimit(RLIMIT_NOFILE, &files);
	block = calloc(1, MQBUS_RECORD_MAX);
	ctl = mq_open(0);
	must(ctl >= 0, "open");
	trace_open();
	for (i = 0; i < sizeof(loads) / sizeof(*loads); i++)
		if (argc < 2 || strstr(loads[i].name, argv[1]))
			run(&loads[i], ++n);
	tracing("current_tracer", "nop");
	printf("1..%u\n", n);
	return 0;
}
