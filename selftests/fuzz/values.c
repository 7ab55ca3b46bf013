// SPDX-License-Identifier: GPL-2.0
/*
 * Values of arguments by kind: small ones that make small objects, then bad ones. With the
 * first one a call may well succeed.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <linux/mqbus_netlink.h>

#include "fuzz.h"

struct values {
	const __u64 *good;
	const __u64 *bad;
	unsigned int nr_good;
	unsigned int nr_bad;
};

#define LIST(...)	((const __u64[]){ __VA_ARGS__ })
#define COUNT(...)	(sizeof((const __u64[]){ __VA_ARGS__ }) / sizeof(__u64))
#define GOOD(...)	.good = LIST(__VA_ARGS__), .nr_good = COUNT(__VA_ARGS__)
#define ALSO(...)	.bad = LIST(__VA_ARGS__), .nr_bad = COUNT(__VA_ARGS__)

#define US		1000ULL
#define MS		1000000ULL
#define SEC		1000000000ULL
/* Names of topics, groups, ids: see name_of() */
#define NAME_TOPIC	0
#define NAME_GROUP	4
#define NAME_ID		7
#define NAME_EMPTY	9
#define BAD_NAMES	9, 10, 11, 12, 13, 14, 15

#define NEAR(size)	0, 1, (size) - 1, (size) + 8, (size) + 4096

/* Bad for nearly all calls */
static const __u64 boundary[] = {
	0, 1, 2, 255, 4095, 4096, 4097, 65535, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	0x100000000, 0x100000001, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff8,
	0xffffffffffffffff, 1ULL << 20, 1ULL << 30,
};

static const struct values values[KINDS] = {
	[K_ZERO] = { GOOD(0) },
	[K_SLOT] = { GOOD(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) },
	[K_TOPIC] = { GOOD(NAME_TOPIC, 1, 2, 3), ALSO(BAD_NAMES) },
	[K_GROUP] = { GOOD(NAME_GROUP, 5, 6), ALSO(BAD_NAMES) },
	[K_DLQ] = { GOOD(NAME_EMPTY, 1, 2, 3, 0), ALSO(BAD_NAMES) },
	[K_ID] = { GOOD(NAME_EMPTY, NAME_ID, NAME_ID + 1), ALSO(BAD_NAMES) },
	[K_INFO_FLAGS] = { GOOD(0) },
	[K_TOPIC_FLAGS] = { GOOD(0, MQBUS_TOPIC_F_SET), ALSO(__MQBUS_TOPIC_F_ALL + 1) },
	[K_TOPIC_FIELDS] = { GOOD(0, MQBUS_TOPIC_SET_RETENTION, MQBUS_TOPIC_SET_RETENTION_SIZE,
				  MQBUS_TOPIC_SET_FULL, MQBUS_TOPIC_SET_MODE,
				  MQBUS_TOPIC_SET_UID, MQBUS_TOPIC_SET_GID,
				  MQBUS_TOPIC_SET_RATE, MQBUS_TOPIC_SET_RATE_BYTES,
				  MQBUS_TOPIC_SET_USER_RATE, MQBUS_TOPIC_SET_USER_RATE_BYTES,
				  MQBUS_TOPIC_SET_BURST, MQBUS_TOPIC_SET_SHARE,
				  MQBUS_TOPIC_SET_OVER, __MQBUS_TOPIC_SET_ALL),
			     ALSO(__MQBUS_TOPIC_SET_ALL + 1) },
	[K_PARTITIONS] = { GOOD(1, 2, 3, 0, 4, 8), ALSO(MQBUS_PARTITIONS_MAX,
							MQBUS_PARTITIONS_MAX + 1) },
	[K_RING] = { GOOD(MQBUS_RING_MIN, 8192, 16384, 65536),
		     ALSO(MQBUS_RING_MIN / 2, MQBUS_RING_MAX, MQBUS_RING_MAX * 2, 12288) },
	[K_RETENTION] = { GOOD(0, 1, 100 * US, SEC), ALSO(MQBUS_DELAY_MAX) },
	[K_MAX_RECORD] = { GOOD(0, 1, 64, 1000, 2048, 4096, 8192, 900),
			   ALSO(MQBUS_RECORD_MAX, MQBUS_RECORD_MAX + 1, MQBUS_RECORD_DEFAULT) },
	[K_FULL] = { GOOD(MQBUS_FULL_BLOCK, MQBUS_FULL_REJECT, MQBUS_FULL_EVICT),
		     ALSO(MQBUS_FULL_EVICT + 1) },
	[K_MODE] = { GOOD(0600, 0666, 0, 0444, 0222, 0777, 0111), ALSO(01000) },
	[K_UID] = { GOOD(MQBUS_ANY, 0, 1000), ALSO(MQBUS_ANY - 1) },
	[K_RETENTION_SIZE] = { GOOD(0, 1, 100, 2048, 4096) },
	[K_RATE] = { GOOD(0, 1, 2, 1000, 1000000), ALSO(MQBUS_RATE_MAX, MQBUS_RATE_MAX + 1) },
	[K_RATE_BYTES] = { GOOD(0, 1, 100, 4096, 1000000),
			   ALSO(MQBUS_RATE_MAX, MQBUS_RATE_MAX + 1) },
	[K_BURST] = { GOOD(0, 1, US, MS), ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_SHARE] = { GOOD(0, 1, 10, 50, 99, 100), ALSO(101) },
	[K_OVER] = { GOOD(MQBUS_OVER_BLOCK, MQBUS_OVER_REJECT), ALSO(MQBUS_OVER_REJECT + 1) },
	[K_TYPE] = { GOOD(MQBUS_GROUP_STREAM, MQBUS_GROUP_QUEUE), ALSO(MQBUS_GROUP_QUEUE + 1) },
	[K_WHENCE] = { GOOD(MQBUS_WHENCE_EARLIEST, MQBUS_WHENCE_LATEST, MQBUS_WHENCE_OFFSET,
			    MQBUS_WHENCE_TIME), ALSO(MQBUS_WHENCE_SHIFT, MQBUS_WHENCE_SHIFT + 1) },
	[K_SEEK_WHENCE] = { GOOD(MQBUS_WHENCE_EARLIEST, MQBUS_WHENCE_LATEST,
				 MQBUS_WHENCE_OFFSET, MQBUS_WHENCE_TIME, MQBUS_WHENCE_SHIFT),
			    ALSO(MQBUS_WHENCE_SHIFT + 1) },
	[K_WHENCE_VALUE] = { GOOD(0, 1, 3, 10, 1000, -1ULL, -3ULL) },
	[K_QUEUE_FLAGS] = { GOOD(0, MQBUS_QUEUE_F_AT_MOST_ONCE, MQBUS_QUEUE_F_KEY_EXCLUSIVE,
				 __MQBUS_QUEUE_F_ALL), ALSO(__MQBUS_QUEUE_F_ALL + 1) },
	[K_INFLIGHT] = { GOOD(0, 1, 2, 3, 8), ALSO(MQBUS_INFLIGHT_MAX, MQBUS_INFLIGHT_MAX + 1,
						   MQBUS_INFLIGHT_DEFAULT) },
	[K_CREDIT] = { GOOD(0, 1, 2), ALSO(MQBUS_INFLIGHT_MAX) },
	[K_LIMIT] = { GOOD(0, 1, 2, MQBUS_ANY),
		      ALSO(MQBUS_ATTEMPTS_MAX, MQBUS_ATTEMPTS_MAX + 1, MQBUS_ATTEMPTS_DEFAULT) },
	[K_LEASE_TIME] = { GOOD(0, 1, 100 * US, MS), ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_BACKOFF] = { GOOD(0, 1, 100 * US, MS, 30 * SEC),
			ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_BACKOFF_MIN] = { GOOD(0, 1, 100 * US, MS, 30 * SEC, MQBUS_BACKOFF_NONE),
			    ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_FACTOR] = { GOOD(0, 100, 200, 10000), ALSO(99, 10001) },
	[K_JITTER] = { GOOD(0, 1, 100), ALSO(101) },
	[K_RETRY_SIZE] = { GOOD(0, 4096, 8192, 65536),
			   ALSO(MQBUS_RETRY_MAX, MQBUS_RETRY_MAX * 2, 2048, 12288) },
	[K_REBALANCE] = { GOOD(0, 1, 100 * US, MQBUS_WAIT_FOREVER),
			  ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1, MQBUS_REBALANCE_DEFAULT) },
	[K_GRACE] = { GOOD(0, 1, MS, SEC), ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_GROUP_FLAGS] = { GOOD(0, MQBUS_GROUP_F_OBSERVER, MQBUS_GROUP_F_EPHEMERAL,
				 __MQBUS_GROUP_F_ALL), ALSO(__MQBUS_GROUP_F_ALL + 1) },
	[K_EXPIRE] = { GOOD(0, 0, 0, 1, MS, SEC), ALSO(MQBUS_DELAY_MAX, MQBUS_DELAY_MAX + 1) },
	[K_GROUP_FIELDS] = { GOOD(MQBUS_GROUP_SET_PAUSED, MQBUS_GROUP_SET_MAX_INFLIGHT,
				  MQBUS_GROUP_SET_CREDIT, MQBUS_GROUP_SET_MAX_ATTEMPTS,
				  MQBUS_GROUP_SET_LEASE, MQBUS_GROUP_SET_BACKOFF,
				  MQBUS_GROUP_SET_DLQ, MQBUS_GROUP_SET_REBALANCE_TIMEOUT,
				  MQBUS_GROUP_SET_GRACE, MQBUS_GROUP_SET_LAG_THRESHOLD,
				  MQBUS_GROUP_SET_MODE, MQBUS_GROUP_SET_UID,
				  MQBUS_GROUP_SET_GID, MQBUS_GROUP_SET_EXPIRE,
				  MQBUS_GROUP_SET_MAX_INFLIGHT | MQBUS_GROUP_SET_CREDIT |
				  MQBUS_GROUP_SET_MAX_ATTEMPTS | MQBUS_GROUP_SET_LEASE |
				  MQBUS_GROUP_SET_BACKOFF | MQBUS_GROUP_SET_DLQ),
			     ALSO(__MQBUS_GROUP_SET_ALL, __MQBUS_GROUP_SET_ALL + 1) },
	[K_PAUSED] = { GOOD(0, 1), ALSO(2) },
	[K_LAG_THRESHOLD] = { GOOD(0, 1, 10) },
	[K_DELETE_FLAGS] = { GOOD(MQBUS_GROUP_DELETE_F_FORCE, 0),
			     ALSO(__MQBUS_GROUP_DELETE_F_ALL + 1) },
	[K_SEEK_FLAGS] = { GOOD(MQBUS_GROUP_SEEK_F_FORCE, 0, MQBUS_GROUP_SEEK_F_DRY_RUN,
				__MQBUS_GROUP_SEEK_F_ALL), ALSO(__MQBUS_GROUP_SEEK_F_ALL + 1) },
	[K_PARTITION] = { GOOD(MQBUS_ANY, 0, 1, 2, 3, MQBUS_RETRY), ALSO(8, 1024) },
	[K_TIMEOUT] = { GOOD(0, 0, 0, 1, 20 * US, 200 * US),
			ALSO(MQBUS_WAIT_FOREVER, MQBUS_WAIT_FOREVER - 1, 1ULL << 63) },
	[K_COUNT] = { GOOD(1, 2, 3, 4, 8), ALSO(0, 16, MQBUS_ACTS_MAX + 1, MQBUS_TRANSACT_MAX + 1,
						MQBUS_BATCH_MAX, MQBUS_BATCH_MAX + 1,
						MQBUS_LEASE_MAX + 1, MQBUS_FETCH_MAX + 1) },
	[K_SEQ] = { GOOD(0, 1, 2, 3, 4, 5, 8, 16) },
	[K_SIZE_MSG] = { GOOD(sizeof(struct mqbus_msg)), ALSO(NEAR(sizeof(struct mqbus_msg))) },
	[K_SIZE_PLACE] = { GOOD(sizeof(struct mqbus_place)),
			   ALSO(NEAR(sizeof(struct mqbus_place))) },
	[K_SIZE_RANGE] = { GOOD(sizeof(struct mqbus_range)),
			   ALSO(NEAR(sizeof(struct mqbus_range))) },
	[K_SIZE_ENTRY] = { GOOD(sizeof(struct mqbus_commit_entry)),
			   ALSO(NEAR(sizeof(struct mqbus_commit_entry))) },
	[K_SIZE_SETTLE] = { GOOD(sizeof(struct mqbus_settle)),
			    ALSO(NEAR(sizeof(struct mqbus_settle))) },
	[K_SIZE_LEASED] = { GOOD(sizeof(struct mqbus_leased)),
			    ALSO(NEAR(sizeof(struct mqbus_leased))) },
	[K_SIZE_ACT] = { GOOD(sizeof(struct mqbus_act)), ALSO(NEAR(sizeof(struct mqbus_act))) },
	[K_SIZE_RESULT] = { GOOD(sizeof(struct mqbus_seek_result)),
			    ALSO(NEAR(sizeof(struct mqbus_seek_result))) },
	[K_FETCH_FLAGS] = { GOOD(0, MQBUS_FETCH_F_COMMIT), ALSO(__MQBUS_FETCH_F_ALL + 1) },
	[K_COMMIT_FLAGS] = { GOOD(0, MQBUS_COMMIT_F_RELEASE, MQBUS_COMMIT_F_FETCHED,
				  __MQBUS_COMMIT_F_ALL), ALSO(__MQBUS_COMMIT_F_ALL + 1) },
	[K_LEASE_FLAGS] = { GOOD(0, MQBUS_LEASE_F_ACK, MQBUS_LEASE_F_RELEASE,
				 __MQBUS_LEASE_F_ALL), ALSO(__MQBUS_LEASE_F_ALL + 1) },
	[K_OPEN] = { GOOD(O_RDWR | O_NONBLOCK, O_RDWR | O_NONBLOCK, O_RDWR),
		     ALSO(O_RDONLY, O_WRONLY | O_NONBLOCK, O_RDWR | O_APPEND | O_ASYNC) },
	[K_BYTES] = { GOOD(8, 0, 1, 100, 1000, 2000), ALSO(4096, 65536, MQBUS_RECORD_MAX) },
	[K_EVENTS] = { GOOD(EPOLLIN | EPOLLOUT, EPOLLIN, EPOLLOUT, EPOLLPRI, 0,
			    EPOLLIN | EPOLLOUT | EPOLLET, EPOLLIN | EPOLLONESHOT,
			    EPOLLIN | EPOLLEXCLUSIVE, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE) },
	[K_EPOLL] = { GOOD(EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL) },
	[K_MAP] = { GOOD(0, 1, 2, 3) },
	[K_PROT] = { GOOD(PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC) },
	[K_MAPFLAGS] = { GOOD(MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_POPULATE) },
	[K_SMALL] = { GOOD(0, 1, 2, 3, 4, 5, 6, 7) },
	[K_SYSCTL] = { GOOD(0, 1, 2) },
	[K_LIMITS] = { GOOD(1, 2, 64, 20000, 100000, 1000000) },
	[K_COMMAND] = { GOOD(MQBUS_CMD_TOPIC_GET, MQBUS_CMD_PARTITION_GET, MQBUS_CMD_GROUP_GET,
			     MQBUS_CMD_MEMBER_GET), ALSO(MQBUS_CMD_EVENT, MQBUS_CMD_MAX + 1) },
	[K_NETNS] = { GOOD(NETNS_OWN, NETNS_OWN, NETNS_AWAY), ALSO(-1, 0, 1, NETNS_AWAY + 1) },
	[K_ANY] = { GOOD(0) },
};

static bool is_array(enum kind of)
{
	return of >= K_MSGS && of <= K_RESULTS;
}

__u64 value_of(enum kind of, __u16 arg)
{
	const struct values *v = &values[of];
	unsigned int n = arg & ~BAD;

	if (is_array(of) || of == K_ANY)
		return arg;
	/* Some kinds have no bad value: they name an object of the program */
	if (!(arg & BAD) || of == K_SLOT || of == K_MAP || of == K_SMALL || of == K_SYSCTL)
		return v->good[n % v->nr_good];
	n %= v->nr_bad + ARRAY_SIZE(boundary);
	return n < v->nr_bad ? v->bad[n] : boundary[n - v->nr_bad];
}

__u16 value_pick(enum kind of, struct rng *rng, bool bad)
{
	if (bad)
		return BAD | rng_below(rng, BAD);
	if (is_array(of))
		return rng_below(rng, BAD) | (rng_once(rng, 8) ? 0 : TAME);
	if (of == K_ANY)
		return rng_below(rng, BAD);
	return rng_below(rng, values[of].nr_good);
}

const char *name_of(__u64 index, size_t *len)
{
	static const char *const names[] = {
		"t0", "t1", "t2", "t3", "g0", "g1", "g2", "i0", "i1",
		"", "-t", "a/b", "t0 ", ".",
	};
	static char longest[MQBUS_NAME_SIZE + 1];

	if (!longest[0])
		memset(longest, 'x', MQBUS_NAME_SIZE);
	if (index < ARRAY_SIZE(names)) {
		*len = strlen(names[index]);
		return names[index];
	}
	/* the longest name, and an unterminated one */
	*len = MQBUS_NAME_SIZE - (index & 1);
	return longest;
}
