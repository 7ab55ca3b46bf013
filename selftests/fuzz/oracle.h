/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A flow whose outcome is known: see oracle.c.
 */
#ifndef SELFTESTS_FUZZ_ORACLE_H
#define SELFTESTS_FUZZ_ORACLE_H

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/mqbus_netlink.h>

#include "fuzz.h"

#define PARTS	2
#define MOST	2048	/* records of a partition */
#define HOLD	8
#define STEPS	150
#define CHECK(cond) do {						\
	if (!(cond))							\
		fault("%s:%d: %s", __FILE__, __LINE__, #cond);		\
} while (0)

enum state { READY, LEASED, OVER, LETTER };

struct rec {
	__u64 id;
	__u8 state;
	__u8 key_len;	/* equal lengths are equal keys */
	__u32 failures;
};

struct flow {
	struct rng rng;
	unsigned int calls;
	int ctl, producer, stream, queue, letters, stopped;
	__u32 parts, full, limit;
	bool has_queue, once, dlq, in_turn, rated;
	char *map[PARTS];
	size_t map_len;
	__u64 data, ring;
	struct rec rec[PARTS][MOST];
	__u64 next[PARTS], fetched[PARTS], committed[PARTS];
	struct mqbus_leased held[HOLD];
	__u32 nr_held;
	__u64 delivered, acked, dead, discarded, letters_got;
	__u64 ids;
};

static inline int call(struct flow *f, int fd, unsigned long cmd, void *args)
{
	f->calls++;
	steady_go_on();
	return ioctl(fd, cmd, args) ? -errno : 0;
}

/* Topics, groups and endpoints of a flow */
int flow_endpoint(void);
int flow_member(struct flow *f, const char *topic, const char *group);
void flow_make(struct flow *f);
void flow_map(struct flow *f);
void flow_unmap(struct flow *f);
void flow_unmake(struct flow *f);

#endif /* SELFTESTS_FUZZ_ORACLE_H */
