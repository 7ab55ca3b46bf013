// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a program: all objects are closed and deleted, and nothing may stay charged. What
 * stays is shown with its possible holders.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/mqbus_netlink.h>

#include "fuzz.h"

#define DEVICE		"/dev/mqbus"
/* Files in messages, unfinished dumps and works are released a little later */
#define PATIENCE_NS	10000000000ULL

static int ctl = -1;

void clean_init(void)
{
	ctl = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (ctl < 0) {
		perror(DEVICE);
		exit(2);
	}
}

static void close_of(atomic_int *fd)
{
	int old = atomic_exchange(fd, -1);

	if (old >= 0)
		close(old);
	steady_go_on();
}

static void reap(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(world.child); i++) {
		if (world.child[i] <= 0)
			continue;
		kill(world.child[i], SIGKILL);
		while (waitpid(world.child[i], NULL, 0) < 0 && errno == EINTR)
			;
		world.child[i] = 0;
	}
}

static bool is_stranger(const char *name)
{
	size_t len;
	unsigned int i;

	for (i = 0; i < TOPICS; i++)
		if (!strcmp(name, name_of(i, &len)))
			return false;
	/* the longest */
	return name[0] != 'x';
}

static void topic_delete(const struct listed *l, void *data)
{
	struct mqbus_topic_delete d = { 0 };
	unsigned int *failed = data;

	memcpy(d.name, l->name[0], sizeof(d.name));
	*failed += !!ioctl(ctl, MQBUS_IOC_TOPIC_DELETE, &d);
	atomic_fetch_add(&shared->strangers, is_stranger(d.name));
	steady_go_on();
}

/*
 * All existing topics, not the program's own: a name that changes while the kernel reads it may
 * give a topic any name.
 */
static void topics_delete(void)
{
	unsigned int failed = 0, tries = 0;
	int n;

	/* A listing may miss topics while others are deleted */
	while ((n = netlink_list(MQBUS_CMD_TOPIC_GET, topic_delete, &failed)) > 0)
		if (tries++ > 100)
			break;
	if (n || failed)
		fault("topics cannot be deleted: %d listed, %u failed", n, failed);
}

static void sums_check(void)
{
	char topic[8], group[8], text[512];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		snprintf(topic, sizeof(topic), "t%u", i / 2);
		snprintf(group, sizeof(group), "g%u", i % 2);
		if (!netlink_sums(topic, group, text, sizeof(text)))
			fault("figures do not add up: %s", text);
	}
}

void clean_up(void)
{
	unsigned int i;

	reap();
	if (atomic_load(&shared->programs) % 8 == 0)
		sums_check();
	for (i = 0; i < SLOTS; i++) {
		close_of(&world.fd[i]);
		atomic_store(&world.role[i], ROLE_NONE);
	}
	for (i = 0; i < MAPS; i++) {
		uintptr_t map = atomic_exchange(&world.map[i], 0);

		if (map && munmap(map_at(map), map_pages(map) * 4096))
			fault("a mapping of %zu pages stays: %s", map_pages(map),
			      strerrorname_np(errno));
	}
	close_of(&world.epoll);
	close_of(&world.netlink);
	/*
	 * Before the socket is closed: a thread that closes it may make another thread pass the
	 * socket itself, which then lies in its own queue and is never released.
	 */
	pair_empty();
	close_of(&world.pair[0]);
	close_of(&world.pair[1]);
	while (world.crowd_nr) {
		close(world.crowd[--world.crowd_nr]);
		steady_go_on();
	}
	if (atomic_exchange(&world.limits_changed, false)) {
		sysctl_write("max_bytes", 256 << 20);
		sysctl_write("max_topics", 4096);
		sysctl_write("max_groups", 64);
	}
	topics_delete();
	atomic_store(&world.lease_nr, 0);
	atomic_store(&world.range_nr, 0);
	atomic_store(&world.place_nr, 0);
	memset(world.place, 0, sizeof(world.place));
}

static __u64 used_bytes(void)
{
	struct mqbus_info info = { 0 };

	if (ioctl(ctl, MQBUS_IOC_INFO, &info))
		fault("the limits cannot be asked for: %s", strerrorname_np(errno));
	return info.used_bytes;
}

static void show_topic(const struct listed *l, void *data)
{
	fprintf(data, "topic %s: %llu bytes, %llu producers, %llu groups\n", l->name[0],
		l->number[MQBUS_A_TOPIC_CHARGED], l->number[MQBUS_A_TOPIC_PRODUCERS],
		l->number[MQBUS_A_TOPIC_GROUPS]);
}

static void show_member(const struct listed *l, void *data)
{
	fprintf(data, "member of %s/%s: process %llu\n", l->name[0], l->name[1],
		l->number[MQBUS_A_MEMBER_PID]);
}

/* Endpoints that a process has open or mapped */
static void show_process(const char *pid, FILE *to)
{
	char path[300], where[300], line[512];
	struct dirent *e;
	ssize_t n;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		n = readlink(path, where, sizeof(where) - 1);
		where[n > 0 ? n : 0] = 0;
		if (!strcmp(where, DEVICE) && (atoi(pid) != getpid() || atoi(e->d_name) != ctl))
			fprintf(to, "process %s has it open as %s\n", pid, e->d_name);
	}
	if (d)
		closedir(d);
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, DEVICE))
			fprintf(to, "process %s has it mapped: %s", pid, line);
	if (f)
		fclose(f);
}

/* Show what is left and its possible holders; without one, the module leaks */
static char *show_left(void)
{
	struct dirent *e;
	size_t size;
	char *text;
	FILE *to = open_memstream(&text, &size);
	DIR *d = opendir("/proc");

	netlink_list(MQBUS_CMD_TOPIC_GET, show_topic, to);
	netlink_list(MQBUS_CMD_MEMBER_GET, show_member, to);
	while (d && (e = readdir(d)))
		if (isdigit(e->d_name[0]))
			show_process(e->d_name, to);
	if (d)
		closedir(d);
	fclose(to);
	return text;
}

void clean_check(void)
{
	struct timespec wait = { .tv_nsec = 50000 };
	__u64 waited = 0, bytes;

	while ((bytes = used_bytes()) && waited < PATIENCE_NS) {
		nanosleep(&wait, NULL);
		waited += wait.tv_nsec;
		if (wait.tv_nsec < 10000000)
			wait.tv_nsec *= 2;
		steady_go_on();
	}
	if (bytes)
		fault("%llu bytes are in use though everything is closed and deleted\n%s", bytes,
		      show_left());
}
