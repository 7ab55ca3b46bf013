// SPDX-License-Identifier: GPL-2.0
/*
 * A worker's calls, with a kernel that only takes notes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "map.h"
#include "test.h"

#define PARTITIONS 3
#define RING 4096
#define THREADS 8

/**
 * struct kernel - what the calls are answered with, and what they were
 * @answer: errno of each MQBUS_IOC_LEASE
 * @lease: the last one, and then what it is answered with
 * @calls: how many there were
 * @fd: of the endpoint
 * @maps: mappings that are there
 * @mapped: mappings made so far
 * @map_error: errno of the next ones
 * @data: of each partition and of the retry ring
 */
static struct kernel {
	int answer;
	struct mqbus_lease lease;
	int calls;
	int fd;
	int maps;
	int mapped;
	int map_error;
	char data[PARTITIONS + 1][RING];
} kernel;

int mqbus_device_open(void)
{
	kernel.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return kernel.fd;
}

int mqbus_device_join(int fd, const char *topic, const char *group, const char *member,
		      struct mqbus_geometry *geometry)
{
	(void)fd;
	(void)topic;
	(void)member;
	geometry->partitions = PARTITIONS;
	return strcmp(group, "none") ? 0 : -ENOENT;
}

int mqbus_device_call(int fd, unsigned long request, void *arg)
{
	struct mqbus_lease *lease = arg;
	struct mqbus_lease out = kernel.lease;

	kernel.calls++;
	if (fd != kernel.fd || request != MQBUS_IOC_LEASE)
		return -EBADF;
	kernel.lease = *lease;
	lease->nr_leases = out.nr_leases;
	lease->settled = out.settled;
	lease->error = out.error;
	return kernel.answer;
}

int mqbus_map_open(struct mqbus_map *map, int fd, uint32_t partition)
{
	if (fd != kernel.fd || kernel.map_error)
		return -kernel.map_error;
	map->page = (void *)&kernel;
	map->data = kernel.data[partition == MQBUS_RETRY ? PARTITIONS : partition];
	map->mask = RING - 1;
	__atomic_fetch_add(&kernel.maps, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&kernel.mapped, 1, __ATOMIC_RELAXED);
	return 0;
}

void mqbus_map_close(struct mqbus_map *map)
{
	if (map->page)
		__atomic_fetch_sub(&kernel.maps, 1, __ATOMIC_RELAXED);
}

static struct mqbus_worker *worker_make(void)
{
	struct mqbus_worker *w = NULL;

	memset(&kernel, 0, sizeof(kernel));
	if (mqbus_worker_open(&w, "t", "g"))
		abort();
	return w;
}

static void test_open(void)
{
	struct mqbus_worker *w = NULL;

	memset(&kernel, 0, sizeof(kernel));
	TEST(mqbus_worker_open(&w, "t", "none") == -ENOENT && !w, "no such group");
	TEST(fcntl(kernel.fd, F_GETFD) < 0, "the endpoint is closed again");
	kernel.answer = -EBADFD;
	TEST(mqbus_worker_open(&w, "t", "stream") == -EBADFD && !w, "a stream group");
	TEST(fcntl(kernel.fd, F_GETFD) < 0, "the endpoint is closed again");
	w = worker_make();
	TEST(mqbus_worker_fd(w) == kernel.fd, "the endpoint");
	TEST(mqbus_worker_geometry(w)->partitions == PARTITIONS, "the topic's geometry");
	memset(&kernel.lease, 0, sizeof(kernel.lease));
	mqbus_worker_close(w);
	TEST(kernel.lease.flags == MQBUS_LEASE_F_RELEASE && !kernel.lease.nr_leases &&
	     !kernel.lease.nr_settles, "closing releases all");
	TEST(fcntl(kernel.fd, F_GETFD) < 0, "and closes the endpoint");
	mqbus_worker_close(NULL);
}

static void test_turn(void)
{
	struct mqbus_worker *w = worker_make();
	struct mqbus_settle settles[3] = { { .lease = 7 } };
	struct mqbus_leased leases[5] = { { .lease = 9 } };
	int calls = kernel.calls;
	int error = 1;

	kernel.lease.nr_leases = 4;
	TEST(mqbus_worker_turn(w, MQBUS_WORKER_ACK, settles, 3, leases, 5, 11, -1, &error) == 4 &&
	     !error, "a turn");
	TEST(kernel.lease.flags == MQBUS_LEASE_F_ACK && kernel.lease.nr_settles == 3 &&
	     kernel.lease.settles == mqbus_device_address(settles) &&
	     kernel.lease.settle_size == sizeof(settles[0]) &&
	     kernel.lease.leases == mqbus_device_address(leases) &&
	     kernel.lease.lease_size == sizeof(leases[0]) && kernel.lease.nr_leases == 5 &&
	     kernel.lease.time == 11 && kernel.lease.timeout == MQBUS_WAIT_FOREVER,
	     "is one call with all of it");
	TEST(kernel.calls == calls + 1, "and only one");
	kernel.lease.nr_leases = 0;
	kernel.lease.error = ETIMEDOUT;
	TEST(!mqbus_worker_turn(w, 0, settles, 3, leases, 5, 0, 5, &error) &&
	     error == -ETIMEDOUT && kernel.lease.timeout == 5, "settled, but nothing to lease");
	TEST(mqbus_worker_turn(w, 4, NULL, 0, leases, 5, 0, 5, &error) == -EOPNOTSUPP &&
	     error == -EOPNOTSUPP, "an unknown flag");
	kernel.answer = -EIDRM;
	TEST(mqbus_worker_lease(w, leases, 5, 0) == -EIDRM && !kernel.lease.nr_settles,
	     "a lease that fails");
	TEST(mqbus_worker_settle(w, settles, 3) == -EIDRM, "settlements that all fail");
	TEST(mqbus_worker_settle_one(w, leases, MQBUS_NACK, 3) == -EIDRM &&
	     kernel.lease.nr_settles == 1 && !kernel.lease.nr_leases, "one that fails");
	kernel.answer = 0;
	kernel.lease.settled = 2;
	TEST(mqbus_worker_settle(w, settles, 3) == 2, "2 of 3 succeed");
	TEST(!mqbus_worker_settle_one(w, leases, MQBUS_ACK, 0), "one succeeds");
	mqbus_worker_close(w);
}

static void *read_all(void *arg)
{
	struct mqbus_leased lease = { 0 };
	struct mqbus_worker *w = arg;
	uint32_t ring;

	for (ring = 0; ring <= PARTITIONS; ring++) {
		lease.ring = ring < PARTITIONS ? ring : MQBUS_RETRY;
		lease.pos = RING + 8 * ring;
		if ((const char *)mqbus_worker_record(w, &lease) != kernel.data[ring] + 8 * ring)
			return arg;
	}
	return NULL;
}

static void test_record(void)
{
	struct mqbus_worker *w = worker_make();
	struct mqbus_leased lease = { .ring = MQBUS_RETRY };
	pthread_t threads[THREADS];
	void *wrong;
	int i, bad = 0;

	kernel.map_error = ENOMEM;
	TEST(!mqbus_worker_record(w, &lease) && errno == ENOMEM, "no memory to map the ring");
	kernel.map_error = 0;
	lease.ring = PARTITIONS + 1;
	TEST(!mqbus_worker_record(w, &lease) && errno == ECHRNG, "no such ring");
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, read_all, w);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		bad |= !!wrong;
	}
	TEST(!bad, "records in all rings, by %d threads at once", THREADS);
	printf("# %d mappings made\n", kernel.mapped);
	TEST(kernel.maps == PARTITIONS + 1, "each ring is mapped once");
	mqbus_worker_close(w);
	TEST(!kernel.maps, "until the worker is closed");
}

/* The calls of a child that inherited the worker; returns the number of the first that is wrong */
static int child(struct mqbus_worker *w, const struct mqbus_leased *mapped)
{
	struct mqbus_settle settle = { .lease = 7 };
	struct mqbus_worker *own = NULL;
	struct mqbus_leased lease;
	int calls = kernel.calls, fd = kernel.fd, error = 0;

	if (mqbus_worker_turn(w, 0, &settle, 1, &lease, 1, 0, 0, &error) != -ECHILD ||
	    error != -ECHILD || mqbus_worker_lease(w, &lease, 1, 0) != -ECHILD)
		return 1;
	if (mqbus_worker_settle(w, &settle, 1) != -ECHILD ||
	    mqbus_worker_settle_one(w, mapped, MQBUS_ACK, 0) != -ECHILD)
		return 2;
	errno = 0;
	if (mqbus_worker_record(w, mapped) || errno != ECHILD)
		return 3;
	if (mqbus_worker_open(&own, "t", "g") || mqbus_worker_lease(own, &lease, 1, 0) < 0)
		return 4;
	mqbus_worker_close(own);
	calls = kernel.calls;
	mqbus_worker_close(w);
	if (kernel.calls != calls)
		return 5;
	return fcntl(fd, F_GETFD) < 0 ? 0 : 6;
}

static void test_fork(void)
{
	struct mqbus_worker *w = worker_make();
	struct mqbus_leased lease = { .ring = 1 };
	int status = -1;
	pid_t pid;

	mqbus_worker_record(w, &lease);
	pid = fork();
	if (!pid)
		_exit(child(w, &lease));
	waitpid(pid, &status, 0);
	TEST(!status, "a child cannot use its parent's worker, but one of its own (%#x)", status);
	TEST(!mqbus_worker_lease(w, &lease, 1, 0) && mqbus_worker_record(w, &lease),
	     "its parent still can");
	mqbus_worker_close(w);
}

int main(void)
{
	test_begin();
	test_open();
	test_turn();
	test_record();
	test_fork();
	return test_end();
}
