/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the parts of the fuzzer.
 *
 * A program is a short list of operations. An operation names a call and has a number for each
 * argument: not the value, but an index into the values of that kind. With 0 for each a call
 * may well succeed, and a program keeps its meaning when it is cut or mixed with another one.
 */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <linux/mqbus.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define OPS_MAX		64
#define ARGS_MAX	24
#define SLOTS		12	/* endpoints */
#define MAPS		4
/* Descriptors of namespaces: the program's, and one whose bus has no room for anything */
#define NETNS_OWN	8000
#define NETNS_AWAY	8001
#define THREADS		3
#define TOPICS		4
#define GROUPS		3
/* An argument from here on is a bad value of its kind */
#define BAD		0x8000
/* In the seed of elements: mostly valid ones; without it, any */
#define TAME		0x200

struct op {
	__u8 call;
	__u8 thread;
	__u8 mem;	/* an enum memory: where the arguments lie */
	__u8 fail;	/* which allocation or copy fails; 0: none */
	__u16 arg[ARGS_MAX];
};

/* A program without threads is a flow (oracle.c), with its seed in place of the operations */
struct program {
	__u32 nr;
	__u32 threads;
	union {
		struct op op[OPS_MAX];
		__u64 seed;
	};
};

/* Random numbers, the same on each machine: xorshift64* */
struct rng {
	__u64 state;
};

void rng_seed(struct rng *rng, __u64 seed);
__u64 rng_next(struct rng *rng);
__u32 rng_below(struct rng *rng, __u32 n);
bool rng_once(struct rng *rng, __u32 n);

/* Kinds of arguments, in the order of the table in values.c */
enum kind {
	K_ZERO, K_SLOT, K_TOPIC, K_GROUP, K_DLQ, K_ID, K_INFO_FLAGS, K_TOPIC_FLAGS, K_TOPIC_FIELDS,
	K_PARTITIONS, K_RING, K_RETENTION, K_MAX_RECORD, K_FULL, K_MODE, K_UID, K_RETENTION_SIZE,
	K_RATE, K_RATE_BYTES, K_BURST, K_SHARE, K_OVER, K_TYPE, K_WHENCE, K_SEEK_WHENCE,
	K_WHENCE_VALUE, K_QUEUE_FLAGS, K_INFLIGHT, K_CREDIT, K_LIMIT, K_LEASE_TIME,
	K_BACKOFF, K_BACKOFF_MIN, K_FACTOR, K_JITTER, K_RETRY_SIZE, K_REBALANCE, K_GRACE,
	K_GROUP_FLAGS, K_EXPIRE, K_GROUP_FIELDS, K_PAUSED, K_LAG_THRESHOLD, K_DELETE_FLAGS,
	K_SEEK_FLAGS, K_PARTITION, K_TIMEOUT, K_COUNT, K_SEQ,
	K_SIZE_MSG, K_SIZE_PLACE, K_SIZE_RANGE, K_SIZE_ENTRY, K_SIZE_SETTLE, K_SIZE_LEASED,
	K_SIZE_ACT, K_SIZE_RESULT, K_FETCH_FLAGS, K_COMMIT_FLAGS, K_LEASE_FLAGS,
	/* arrays: the number is the seed of their content */
	K_MSGS, K_PLACES, K_RANGES, K_ENTRIES, K_SETTLES, K_LEASED, K_ACTS, K_RESULTS,
	/* results of other calls */
	K_OPEN, K_BYTES, K_EVENTS, K_EPOLL, K_MAP, K_PROT, K_MAPFLAGS, K_SMALL, K_SYSCTL,
	K_LIMITS, K_COMMAND, K_NETNS, K_ANY,
	KINDS
};

__u64 value_of(enum kind of, __u16 arg);
const char *name_of(__u64 index, size_t *len);
/* A good value other than the first, or a bad one */
__u16 value_pick(enum kind of, struct rng *rng, bool bad);

/* Memory that the arguments of a call lie in */
enum memory {
	MEM_PLAIN,
	MEM_EDGE,	/* they end where the mapping ends */
	MEM_TORN,	/* they end behind it */
	MEM_READ_ONLY,
	MEM_LATE,	/* in a missing page that is filled in once a task waits for it */
	MEM_RACE,	/* another thread writes to them all the time */
	MEM_LATE_ELEMENTS,
	MEM_RACE_ELEMENTS,
	MEM_TORN_ELEMENTS,
	MEM_LATE_PAYLOAD,
	MEM_RACE_PAYLOAD,
	MEM_TORN_PAYLOAD,
	MEM_RING_PAYLOAD,	/* published parts come from a mapped ring */
	MEM_KINDS
};

#define HEAP_SIZE	(128 * 1024)
#define LATE_PAGES	4

/* A thread that runs operations */
struct worker {
	int index;
	pid_t tid;
	char *heap;	/* for the elements of one call */
	size_t used;
	char *edge;	/* a page, and an inaccessible one behind it */
	char *read_only;
	char *read_only_alias;
	char *late;
	char *late_source;
	int uffd;
	char *race;
	atomic_uintptr_t race_at;
	size_t race_len;
	enum memory mem;
	int fail_fd;
	volatile bool failing;
	/* odd during a call; also changes with each step of a long one */
	atomic_uint seq;
	/* no signals: the operation ends as if it ran alone */
	volatile bool steady;
	unsigned long long *cover;
	int cover_fd;
	const struct program *program;
	struct rng rng;	/* for the elements, seeded by their argument */
	bool tame;
	unsigned int slot;	/* endpoint that the elements are for */
	__u64 calls;
	__u64 refused;
	sigjmp_buf *jump;
};

void memory_init(void);
bool memory_worker(struct worker *w);
void *memory_elements(struct worker *w, size_t size);
void *memory_struct(struct worker *w, const void *data, size_t size);
void *memory_payload(struct worker *w, size_t size);
void memory_done(struct worker *w);
bool memory_is_plain(const struct worker *w, __u64 at);

/* Producers and members, in the order of enum mqbus_act_kind */
enum role { ROLE_NONE, ROLE_PRODUCER, ROLE_STREAM, ROLE_QUEUE };

/* Shared by all threads without a lock: a stale value is as good as any */
struct world {
	atomic_int fd[SLOTS];
	atomic_int role[SLOTS];
	atomic_uintptr_t map[MAPS];	/* address and number of pages in one */
	atomic_int epoll;
	atomic_int pair[2];
	atomic_int netlink;
	atomic_bool limits_changed;
	bool user;	/* the program has lowered limits for good there */
	pid_t child[4];
	int crowd[4200];
	int crowd_nr;
	__u64 lease[32];
	unsigned int lease_slot[32];	/* of the member that holds it */
	atomic_uint lease_nr;
	struct mqbus_range range[16];
	unsigned int range_slot[16];
	atomic_uint range_nr;
	struct mqbus_place place[16];
	atomic_uint place_nr;
	__u32 generation;
};

extern struct world world;

static inline char *map_at(uintptr_t map)
{
	return (char *)(map & ~4095UL);
}

static inline size_t map_pages(uintptr_t map)
{
	return map & 4095;
}

/* A call: an ioctl with its structure's fields, or a function */
struct field {
	__u16 at;
	__u8 size;
	__u8 kind;
};

struct call {
	const char *name;
	unsigned int weight;
	unsigned long cmd;
	unsigned int size;
	const struct field *fields;
	unsigned int nr;	/* of fields; the first argument is the endpoint */
	void (*seen)(struct worker *w, const void *args);
	long (*run)(struct worker *w, const struct op *op);
	__u8 kinds[8];	/* of the function's arguments */
};

extern const struct call calls[];
extern const unsigned int calls_nr;

int call_find(const char *name);
unsigned int call_args(const struct call *call);
enum kind call_kind(const struct call *call, unsigned int arg);
long call_run(struct worker *w, const struct op *op);
void fail_arm(struct worker *w, unsigned int nth);
void fail_disarm(struct worker *w);

__u64 array_of(struct worker *w, enum kind of, __u16 arg);

/* calls other than ioctls */
long do_open(struct worker *w, const struct op *op);
long do_close(struct worker *w, const struct op *op);
long do_dup(struct worker *w, const struct op *op);
long do_read(struct worker *w, const struct op *op);
long do_write(struct worker *w, const struct op *op);
long do_poll(struct worker *w, const struct op *op);
long do_epoll_ctl(struct worker *w, const struct op *op);
long do_epoll_wait(struct worker *w, const struct op *op);
long do_fcntl(struct worker *w, const struct op *op);
long do_mmap(struct worker *w, const struct op *op);
long do_munmap(struct worker *w, const struct op *op);
long do_mremap(struct worker *w, const struct op *op);
long do_mprotect(struct worker *w, const struct op *op);
long do_touch(struct worker *w, const struct op *op);
long do_fork(struct worker *w, const struct op *op);
long do_pass(struct worker *w, const struct op *op);
long do_receive(struct worker *w, const struct op *op);
long do_signal(struct worker *w, const struct op *op);
long do_sleep(struct worker *w, const struct op *op);
long do_raw(struct worker *w, const struct op *op);
long do_crowd(struct worker *w, const struct op *op);
long do_get(struct worker *w, const struct op *op);
long do_dump(struct worker *w, const struct op *op);
long do_listen(struct worker *w, const struct op *op);
long do_sysctl(struct worker *w, const struct op *op);

/* An object of a listing: its first two names, and its figures */
struct listed {
	char name[2][MQBUS_NAME_SIZE];
	__u64 number[128];
};

void netlink_init(void);
/* Call @each for each object of a listing. Return: their number, or a negative errno */
int netlink_list(int cmd, void (*each)(const struct listed *l, void *data), void *data);
bool sysctl_write(const char *name, __u64 value);
/* Whether a queue group's figures are consistent; if not, @text says why */
bool netlink_sums(const char *topic, const char *group, char *text, size_t size);
/* Figures of a topic, partition (@group is NULL) or group, by attribute */
int netlink_numbers(int cmd, const char *topic, const char *group, __u32 partition,
		    __u64 *numbers, unsigned int max, __u64 *queue, unsigned int queue_max);

void program_random(struct program *p, struct rng *rng);
void program_mutate(struct program *p, const struct program *other, struct rng *rng);
void program_print(const struct program *p, FILE *to);
/* Return: whether there was another one */
bool program_read(struct program *p, FILE *from);

extern struct worker workers[THREADS];

/* Threads and a namespace for them: once in a process */
void execute_signals(void);
void execute_init(bool user);
void execute(const struct program *p);
void execute_op(struct worker *w, const struct op *op);
/* Long work: the first thread shows that it goes on */
void steady_begin(void);
void steady_go_on(void);
void steady_end(void);

/* Close files in messages */
void pair_empty(void);
void clean_init(void);
/* Close and delete all objects of a program */
void clean_up(void);
/* All is closed and deleted; memory still in use is a fault */
void clean_check(void);
/* Report a fault and what led there, and end the process */
_Noreturn void fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define EXIT_FAULT	3

/* The last programs, each in a page with a mark: see run */
struct trail {
	char magic[16];
	__u64 run;
	__u64 number;
	struct program program;
} __attribute__((aligned(4096)));

#define TRAIL	64
#define ERRNOS	134
#define CORPUS	2048
#define COVER_PCS	(1 << 15)
#define COVER_EDGES	(1 << 18)

/* State that outlives an epoch, which is a process */
struct shared {
	_Atomic __u64 programs;
	_Atomic __u64 calls;
	_Atomic __u64 succeeded;
	_Atomic __u64 oracles;
	/* topics whose name no program uses: the name changed while the kernel read it */
	_Atomic __u64 strangers;
	/* of each call: number, number of successes, ns */
	__u64 count[64][3];
	__u32 error[64][ERRNOS];
	__u64 run;
	__u32 pcs;
	__u32 corpus_nr;
	__u64 pc[COVER_PCS];
	__u8 edge[COVER_EDGES];
	struct program corpus[CORPUS];
	struct trail trail[TRAIL];
};

extern struct shared *shared;

void trail_add(const struct program *p);

/* Return: whether this kernel reports reached places */
bool cover_worker(struct worker *w);
void cover_reset(void);
/* Return: number of steps that the last program was the first to reach */
unsigned int cover_take(void);
bool cover_save(const char *path);

/* Run a flow whose outcome is known, from a seed. Return: number of calls */
unsigned int oracle(__u64 seed);

#endif /* SELFTESTS_FUZZ_H */
