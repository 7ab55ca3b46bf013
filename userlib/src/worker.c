// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "device.h"
#include "map.h"

/**
 * struct mqbus_worker - a member of a queue group
 * @fd: the endpoint
 * @forks: mqbus_forks in the process that opened it
 * @geometry: of partition 0
 * @rings: an element for each partition and one for the retry ring; NULL until the
 *	first record is read from it. Set once, by the first thread
 *	(release; pairs with the acquire of its readers), so there is no lock.
 */
struct mqbus_worker {
	int fd;
	unsigned int forks;
	struct mqbus_geometry geometry;
	struct mqbus_map **rings;
};

/* Only settle; an error only if no settlement succeeded. */
static int worker_settle(struct mqbus_worker *w, uint32_t flags, struct mqbus_settle *settles,
			 uint32_t n)
{
	struct mqbus_lease arg = {
		.flags = flags,
		.nr_settles = n,
		.settles = mqbus_device_address(settles),
		.settle_size = sizeof(*settles),
		.lease_size = sizeof(struct mqbus_leased),
	};
	int ret;

	ret = mqbus_device_ours(w->forks);
	if (!ret)
		ret = mqbus_device_call(w->fd, MQBUS_IOC_LEASE, &arg);
	return ret ? ret : (int)arg.settled;
}

static int worker_join(struct mqbus_worker *w, const char *topic, const char *group)
{
	int ret;

	ret = mqbus_device_join(w->fd, topic, group, "", &w->geometry);
	if (ret)
		return ret;
	/* The member holds no lease yet, so this only checks the group's type: -EBADFD */
	ret = worker_settle(w, MQBUS_LEASE_F_RELEASE, NULL, 0);
	if (ret < 0)
		return ret;
	w->rings = calloc(w->geometry.partitions + 1, sizeof(*w->rings));
	return w->rings ? 0 : -ENOMEM;
}

int mqbus_worker_open(struct mqbus_worker **out, const char *topic, const char *group)
{
	struct mqbus_worker *w;
	int ret;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->forks = mqbus_forks;
	w->fd = mqbus_device_open();
	ret = w->fd < 0 ? w->fd : worker_join(w, topic, group);
	if (ret) {
		mqbus_worker_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

static void worker_unmap(struct mqbus_map *map)
{
	if (!map)
		return;
	mqbus_map_close(map);
	free(map);
}

void mqbus_worker_close(struct mqbus_worker *w)
{
	uint32_t i;

	if (!w)
		return;
	/*
	 * Without a release the last close() would count leases still held as failures. In a child
	 * it fails: they are the parent's.
	 */
	if (w->rings)
		worker_settle(w, MQBUS_LEASE_F_RELEASE, NULL, 0);
	for (i = 0; w->rings && i <= w->geometry.partitions; i++)
		worker_unmap(w->rings[i]);
	if (w->fd >= 0)
		close(w->fd);
	free(w->rings);
	free(w);
}

int mqbus_worker_fd(const struct mqbus_worker *w)
{
	return w->fd;
}

const struct mqbus_geometry *mqbus_worker_geometry(const struct mqbus_worker *w)
{
	return &w->geometry;
}

int mqbus_worker_turn(struct mqbus_worker *w, unsigned int flags,
		      struct mqbus_settle *settles, unsigned int nr_settles,
		      struct mqbus_leased *leases, unsigned int n,
		      int64_t time_ns, int64_t timeout_ns, int *error)
{
	struct mqbus_lease arg = {
		.nr_settles = nr_settles,
		.settles = mqbus_device_address(settles),
		.settle_size = sizeof(*settles),
		.lease_size = sizeof(*leases),
		.leases = mqbus_device_address(leases),
		.nr_leases = n,
		.timeout = mqbus_device_timeout(timeout_ns),
		.time = time_ns,
	};
	int ret = -EOPNOTSUPP;

	if (flags & MQBUS_WORKER_ACK)
		arg.flags |= MQBUS_LEASE_F_ACK;
	if (flags & MQBUS_WORKER_RELEASE)
		arg.flags |= MQBUS_LEASE_F_RELEASE;
	if (!(flags & ~(MQBUS_WORKER_ACK | MQBUS_WORKER_RELEASE)))
		ret = mqbus_device_ours(w->forks);
	if (!ret)
		ret = mqbus_device_call(w->fd, MQBUS_IOC_LEASE, &arg);
	if (error)
		*error = ret ? ret : -(int)arg.error;
	return ret ? ret : (int)arg.nr_leases;
}

int mqbus_worker_lease(struct mqbus_worker *w, struct mqbus_leased *leases,
		       unsigned int n, int64_t timeout_ns)
{
	return mqbus_worker_turn(w, 0, NULL, 0, leases, n, 0, timeout_ns, NULL);
}

int mqbus_worker_settle(struct mqbus_worker *w, struct mqbus_settle *settles,
			unsigned int nr_settles)
{
	return worker_settle(w, 0, settles, nr_settles);
}

int mqbus_worker_settle_one(struct mqbus_worker *w, const struct mqbus_leased *lease,
			    enum mqbus_settlement what, uint64_t delay_ns)
{
	struct mqbus_settle settle = {
		.lease = lease->lease,
		.what = what,
		.delay = delay_ns,
	};
	int ret;

	ret = worker_settle(w, 0, &settle, 1);
	return ret < 0 ? ret : 0;
}

/* Two threads may both map a ring; the second one unmaps it again. */
static const struct mqbus_map *worker_map(struct mqbus_worker *w, uint32_t partition,
					  struct mqbus_map **ring)
{
	struct mqbus_map *found = NULL;
	struct mqbus_map *map;
	int ret;

	map = calloc(1, sizeof(*map));
	ret = map ? mqbus_map_open(map, w->fd, partition) : -ENOMEM;
	if (ret) {
		free(map);
		errno = -ret;
		return NULL;
	}
	if (__atomic_compare_exchange_n(ring, &found, map, 0, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return map;
	worker_unmap(map);
	return found;
}

const struct mqbus_record *mqbus_worker_record(struct mqbus_worker *w,
					       const struct mqbus_leased *lease)
{
	uint32_t index = lease->ring == MQBUS_RETRY ? w->geometry.partitions : lease->ring;
	const struct mqbus_map *map;

	if (__builtin_expect(index > w->geometry.partitions, 0)) {
		errno = ECHRNG;
		return NULL;
	}
	if (mqbus_device_ours(w->forks)) {
		errno = ECHILD;
		return NULL;
	}
	map = __atomic_load_n(&w->rings[index], __ATOMIC_ACQUIRE);
	if (__builtin_expect(!map, 0))
		map = worker_map(w, lease->ring, &w->rings[index]);
	return map ? (const void *)mqbus_map_at(map, lease->pos) : NULL;
}
