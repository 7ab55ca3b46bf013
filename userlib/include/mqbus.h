/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: libmqbus
 *
 * A thin layer over /dev/mqbus: no threads, no hidden state, no allocation to
 * publish or read a record. Every function that can fail returns a negative errno;
 * <linux/mqbus.h> says what each errno means. Handles are opaque, may
 * move between threads, and must not be used by two threads at once unless a
 * function allows it.
 *
 * Durations are nanoseconds; a negative timeout waits without limit, 0 does not
 * wait. The caller keeps ownership of strings; the library does not store them.
 *
 * The bus is that of the network namespace in which the process is when a handle is opened, or
 * the one that the environment variable MQBUS_BUS names: a file that the namespace was pinned to
 * ("mqbus bus pin"), or /proc/PID/ns/net. Programs with more rights than who starts them (setuid)
 * ignore it.
 *
 * Three errnos come from the library alone: -ENODEV, there is no /dev/mqbus (the
 * module is not loaded), and -ENXIO, MQBUS_BUS names nothing that is or may be opened as a
 * network namespace, so that -ENOENT always means the topic or the group; and -ECHILD,
 * the handle was opened before a fork(), and is the parent's. A child opens its own, and closes
 * those that it inherits, which does not disturb the parent: until then their members and
 * producers live on when the parent has ended (see &struct mqbus_join).
 */
#ifndef MQBUS_H
#define MQBUS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/mqbus.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with hidden visibility; this is what it exports */
#pragma GCC visibility push(default)

struct mqbus_producer;
struct mqbus_consumer;
struct mqbus_worker;

/* ---- names: topics and groups ---- */

/**
 * struct mqbus_topic_config - attributes of a topic
 * @size: bytes of each partition's ring, a power of two
 * @retention: ns that records are kept although there is space; 0: no limit
 * @partitions: number of partitions; 0: one for each CPU, without order
 * @max_record: largest record in bytes (all parts); 0: the kernel's default
 * @full: an &enum mqbus_full
 * @mode: permissions as of a file: r subscribes, w publishes
 * @uid: owner, or MQBUS_ANY for the caller
 * @gid: group, or MQBUS_ANY for the caller's
 * @retention_size: bytes that a partition keeps although there is space; 0: no limit
 * @rate: records a second, of all producers together; 0: no limit
 * @rate_bytes: bytes a second, likewise
 * @user_rate: as @rate, of the producers of one uid
 * @user_rate_bytes: as @rate_bytes, of the producers of one uid
 * @burst: ns for which a rate may be saved up; 0: one second
 * @share: percent of a partition that records of one uid may take; 0: no limit
 * @over: an &enum mqbus_over
 */
struct mqbus_topic_config {
	uint64_t size;
	uint64_t retention;
	uint32_t partitions;
	uint32_t max_record;
	uint32_t full;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint64_t retention_size;
	uint64_t rate;
	uint64_t rate_bytes;
	uint64_t user_rate;
	uint64_t user_rate_bytes;
	uint64_t burst;
	uint32_t share;
	uint32_t over;
};

/* 1 partition of 1 MiB that blocks when full, mode 0600, owned by the caller */
#define MQBUS_TOPIC_CONFIG_INIT {					\
	.size = 1 << 20, .retention = 0, .partitions = 1,		\
	.max_record = 0, .full = MQBUS_FULL_BLOCK, .mode = 0600,	\
	.uid = MQBUS_ANY, .gid = MQBUS_ANY,				\
	.retention_size = 0, .rate = 0, .rate_bytes = 0,		\
	.user_rate = 0, .user_rate_bytes = 0, .burst = 0,		\
	.share = 0, .over = MQBUS_OVER_BLOCK,				\
}

/* Limits of this namespace and of this kernel. */
int mqbus_info(struct mqbus_info *info);

int mqbus_topic_create(const char *topic, const struct mqbus_topic_config *config);
/* Change the attributes in @fields (bits of MQBUS_TOPIC_SET_*) of an existing topic. */
int mqbus_topic_set(const char *topic, uint32_t fields,
		    const struct mqbus_topic_config *config);
int mqbus_topic_delete(const char *topic);

/*
 * A stream group that begins at @whence (@value: its offset or its time in ns
 * of CLOCK_REALTIME). @mode: w lets others join it, r lets others see it.
 */
int mqbus_group_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode);
/* The same with options; @stream as in <linux/mqbus.h>, NULL for the kernel's defaults. */
int mqbus_stream_create(const char *topic, const char *group,
			enum mqbus_whence whence, uint64_t value, uint32_t mode,
			const struct mqbus_stream_options *stream);
/*
 * A queue group, whose members are workers; @queue as in <linux/mqbus.h>, NULL for
 * the kernel's defaults.
 */
int mqbus_queue_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode,
		       const struct mqbus_queue_options *queue);
/*
 * A group of either type with all its options, as in <linux/mqbus.h>; the names in @args are
 * not read. An observer or an ephemeral group is created with this.
 */
int mqbus_group_make(const char *topic, const char *group,
		     const struct mqbus_group_create *args);
/* Change whatever @args->fields selects, likewise. */
int mqbus_group_set(const char *topic, const char *group, const struct mqbus_group_set *args);
/* Change the options in @fields (bits of MQBUS_GROUP_SET_*) of a queue group. */
int mqbus_queue_set(const char *topic, const char *group, uint32_t fields,
		    const struct mqbus_queue_options *queue);
/* The same for a stream group. */
int mqbus_stream_set(const char *topic, const char *group, uint32_t fields,
		     const struct mqbus_stream_options *stream);
/*
 * A paused group hands out nothing; its members wait as if there were no
 * records, but settle and commit as always.
 */
int mqbus_group_pause(const char *topic, const char *group, int paused);
/* Records of lag above which there is an event; 0: none. */
int mqbus_group_lag_threshold(const char *topic, const char *group, uint64_t records);
/* @force: even if it has members, which then get -EIDRM. */
int mqbus_group_delete(const char *topic, const char *group, int force);
/*
 * Move @partition (MQBUS_ANY: all) of a group. @flags: MQBUS_GROUP_SEEK_F_DRY_RUN only
 * reports, MQBUS_GROUP_SEEK_F_FORCE moves it even if it has members, which are fenced.
 * @value: offset, time, or the signed number of a MQBUS_WHENCE_SHIFT. Fills up to @n of
 * @results (may be NULL if @n is 0) and returns the number of partitions affected.
 */
int mqbus_group_seek(const char *topic, const char *group, uint32_t partition,
		     enum mqbus_whence whence, uint64_t value, uint32_t flags,
		     struct mqbus_seek_result *results, unsigned int n);
/*
 * Wait until @group has settled the records at @places; @n = 0: all records
 * published when the call begins.
 */
int mqbus_wait(const char *topic, const char *group, const struct mqbus_place *places,
	       unsigned int n, int64_t timeout_ns);

/* ---- producers ---- */

/* Open @topic for publishing. On success the caller must close *@out. */
int mqbus_producer_open(struct mqbus_producer **out, const char *topic);
/*
 * The same under a name that outlives the producer. An earlier producer of that name
 * is fenced (-ENOLINK) and stores nothing any more, so mqbus_producer_last_seq() is final.
 */
int mqbus_producer_open_named(struct mqbus_producer **out, const char *topic,
			      const char *name);
void mqbus_producer_close(struct mqbus_producer *p);
/* The file descriptor, for poll() (POLLOUT) and write(); the handle owns it. */
int mqbus_producer_fd(const struct mqbus_producer *p);
/* The id that this producer's records carry. */
uint64_t mqbus_producer_id(const struct mqbus_producer *p);
/* The sequence number of the last record under its name when it was opened; 0: none. */
uint64_t mqbus_producer_last_seq(const struct mqbus_producer *p);
/* How often its name had been opened by then, this time included; 0 without a name. */
uint32_t mqbus_producer_epoch(const struct mqbus_producer *p);
/* Partitions and limits of the topic. */
const struct mqbus_geometry *mqbus_producer_geometry(const struct mqbus_producer *p);

/* An &struct mqbus_msg with @value and, if @key_len, a key; partition by key. */
static inline struct mqbus_msg mqbus_msg_make(const void *key, uint16_t key_len,
					      const void *value, uint32_t value_len)
{
	struct mqbus_msg m;

	memset(&m, 0, sizeof(m));
	m.value = (uint64_t)(uintptr_t)value;
	m.key = (uint64_t)(uintptr_t)key;
	m.value_len = value_len;
	m.key_len = key_len;
	m.partition = MQBUS_ANY;
	return m;
}

/*
 * Publish @count records in order. Returns how many were stored, from the first
 * on; if fewer than @count, *@error (may be NULL) is the negative errno of the
 * next one, else 0. If none was stored, returns the negative errno.
 * @places (may be NULL) gets the place of each record stored.
 * Several threads may call this on one handle.
 */
int mqbus_producer_publish(struct mqbus_producer *p, const struct mqbus_msg *msgs,
			   unsigned int count, struct mqbus_place *places,
			   int64_t timeout_ns, int *error);
/*
 * The same for a named producer, with sequence numbers from @seq on. A record whose
 * number was stored before counts as stored and in *@duplicates (may be NULL),
 * and its place has the partition MQBUS_ANY. -EPROTO: @seq leaves a gap.
 */
int mqbus_producer_publish_seq(struct mqbus_producer *p, const struct mqbus_msg *msgs,
			       unsigned int count, uint64_t seq,
			       struct mqbus_place *places, int64_t timeout_ns,
			       uint32_t *duplicates, int *error);
/*
 * What the last call that was refused, or waits now in another thread, was refused for: an enum
 * mqbus_why, or a negative errno. MQBUS_WHY_NONE: the module does not tell, or none was.
 */
int mqbus_producer_why(const struct mqbus_producer *p);

/* ---- consumers ---- */

/* Join @group of @topic. On success the caller must close *@out. */
int mqbus_consumer_open(struct mqbus_consumer **out, const char *topic,
			const char *group);
/*
 * The same under an id that is unique in the group: after the member leaves, its
 * partitions are kept for it for the group's grace time. A live member with that id is
 * fenced: its calls fail with -ENOLINK.
 */
int mqbus_consumer_open_as(struct mqbus_consumer **out, const char *topic,
			   const char *group, const char *member);
/* Leaves the group. Records that were not committed are read again by another member. */
void mqbus_consumer_close(struct mqbus_consumer *c);
/*
 * The file descriptor, for poll() (POLLIN; POLLPRI: a partition is revoked); the handle
 * owns it.
 */
int mqbus_consumer_fd(const struct mqbus_consumer *c);
/* Partitions and limits of the topic. */
const struct mqbus_geometry *mqbus_consumer_geometry(const struct mqbus_consumer *c);

/* First commit all records of earlier fetches. */
#define MQBUS_CONSUMER_COMMIT	1U

/*
 * Wait for records and take them all, in place: returns the number of ranges
 * (at least 1); mqbus_consumer_next() walks them. Records of an earlier fetch that
 * mqbus_consumer_next() has not reached are skipped, unless
 * this fetch fails without MQBUS_CONSUMER_COMMIT. A range may be empty, with
 * MQBUS_RANGE_F_REVOKED: that partition moves to another member once all records
 * fetched of it are committed, or at mqbus_consumer_release(). -ENOLINK with
 * MQBUS_CONSUMER_COMMIT: the member was fenced and could not commit; the next fetch admits
 * it again. After an error other than this, -EAGAIN, -ETIMEDOUT and -EINTR the handle can
 * only commit.
 */
int mqbus_consumer_fetch(struct mqbus_consumer *c, unsigned int flags,
			 int64_t timeout_ns);
/* The ranges of the last fetch, those revoked included; *@n gets their number. */
const struct mqbus_range *mqbus_consumer_ranges(const struct mqbus_consumer *c,
						unsigned int *n);
/**
 * struct mqbus_consumer_cursor - the first member of each &struct mqbus_consumer
 * @next: the next record, if below @end
 * @end: behind the last record that can be reached without a call
 * @head: the ring's head: records below it may have been overwritten
 * @origin: address minus position
 * @partition: of these records
 *
 * Only for mqbus_consumer_next(), so that it can be inlined.
 */
struct mqbus_consumer_cursor {
	const char *next;
	const char *end;
	const __u64 *head;
	uint64_t origin;
	uint32_t partition;
};

/* Whether the record at @cursor->next may have been overwritten while it was read. */
static inline int mqbus_consumer_passed(const struct mqbus_consumer_cursor *cursor)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(cursor->head, __ATOMIC_ACQUIRE) >
	       (uint64_t)(uintptr_t)cursor->next - cursor->origin;
}

/* mqbus_consumer_next() as a function, for languages that cannot inline it. */
const struct mqbus_record *mqbus_consumer_next_call(struct mqbus_consumer *c,
						    uint32_t *partition);

/*
 * The next record of the last fetch, or NULL at its end, without a copy. The record stays
 * unchanged in the topic's memory until it is committed, or until this member is
 * fenced because it took longer than the group's rebalance timeout.
 * Records overwritten after that are skipped. On a topic that evicts the record is a
 * checked copy, valid until the next call.
 * *@partition (may be NULL) gets its partition.
 */
static inline const struct mqbus_record *
mqbus_consumer_next(struct mqbus_consumer *c, uint32_t *partition)
{
	struct mqbus_consumer_cursor *cursor = (struct mqbus_consumer_cursor *)c;
	const struct mqbus_record *r = (const struct mqbus_record *)cursor->next;
	uint32_t size;

	if (__builtin_expect(cursor->next >= cursor->end, 0))
		return mqbus_consumer_next_call(c, partition);
	size = __atomic_load_n(&r->size, __ATOMIC_RELAXED);
	if (__builtin_expect(mqbus_consumer_passed(cursor), 0))
		return mqbus_consumer_next_call(c, partition);
	cursor->next += size;
	if (partition)
		*partition = cursor->partition;
	return r;
}

/* Records that this consumer's group lost to eviction since the handle was opened. */
uint64_t mqbus_consumer_lost(const struct mqbus_consumer *c);
/*
 * Commit every record that mqbus_consumer_next() has returned; without a system
 * call if there is none. -ESTALE: a partition is not this member's any
 * more; -ENOLINK: this member was fenced because it did not release it in time.
 * The other partitions are committed, and mqbus_consumer_next() continues there.
 */
int mqbus_consumer_commit(struct mqbus_consumer *c);
/*
 * The same, then release the revoked partitions (POLLPRI): their new owners get the
 * records that mqbus_consumer_next() has not returned.
 */
int mqbus_consumer_release(struct mqbus_consumer *c);
/*
 * Commit one partition up to, not including, @offset. For callers that track
 * their own progress: use this or mqbus_consumer_commit(), not both.
 */
int mqbus_consumer_commit_to(struct mqbus_consumer *c, uint32_t partition,
			     uint64_t offset);
/*
 * The entries that mqbus_consumer_commit() would commit, for a transaction: *@n elements
 * (0: none), valid until the next call.
 */
const struct mqbus_commit_entry *mqbus_consumer_progress(struct mqbus_consumer *c,
							 unsigned int *n);
/* Forget these: a transaction has committed them, or they cannot be committed any more. */
void mqbus_consumer_committed(struct mqbus_consumer *c);

/* ---- workers: members of queue groups ---- */

/* Join queue group @group of @topic. On success the caller must close *@out. */
int mqbus_worker_open(struct mqbus_worker **out, const char *topic, const char *group);
/* Releases the records that the worker still holds, without counting a failure, and leaves. */
void mqbus_worker_close(struct mqbus_worker *w);
/* The file descriptor, for poll() (POLLIN: there are records to lease); the handle owns it. */
int mqbus_worker_fd(const struct mqbus_worker *w);
/* Partitions and limits of the topic. */
const struct mqbus_geometry *mqbus_worker_geometry(const struct mqbus_worker *w);

/* For mqbus_worker_turn(): ack, or release, all records still held after @settles. */
#define MQBUS_WORKER_ACK	1U
#define MQBUS_WORKER_RELEASE	2U

/*
 * Settle records and lease the next ones, in one call. Returns the number of
 * records leased into @leases (room for @n); 0 only if @n is 0, or if there were
 * settlements and no record was leased: *@error (may be NULL) is then why (-EAGAIN,
 * -ETIMEDOUT, -EINTR, -EIDRM, ...), else 0. A settlement that fails has its @error
 * set to a positive errno and does not stop the others; set it to 0 before each
 * call. @time_ns: duration of these leases; 0: the group's lease time.
 * Several threads may call this on one handle, each with its own arrays.
 */
int mqbus_worker_turn(struct mqbus_worker *w, unsigned int flags,
		      struct mqbus_settle *settles, unsigned int nr_settles,
		      struct mqbus_leased *leases, unsigned int n,
		      int64_t time_ns, int64_t timeout_ns, int *error);
/* Only lease. Returns how many (at least 1). */
int mqbus_worker_lease(struct mqbus_worker *w, struct mqbus_leased *leases,
		       unsigned int n, int64_t timeout_ns);
/* Only settle. Returns how many settlements succeeded, or the first's negative errno. */
int mqbus_worker_settle(struct mqbus_worker *w, struct mqbus_settle *settles,
			unsigned int nr_settles);
/* Settle one lease: @what is an &enum mqbus_settlement. */
int mqbus_worker_settle_one(struct mqbus_worker *w, const struct mqbus_leased *lease,
			    enum mqbus_settlement what, uint64_t delay_ns);
/*
 * The record of a lease that this worker holds, in the topic's memory, unchanged
 * until the lease ends. NULL if its memory cannot be mapped (errno says why).
 */
const struct mqbus_record *mqbus_worker_record(struct mqbus_worker *w,
					       const struct mqbus_leased *lease);

/* ---- transactions ---- */

/*
 * Do all of @acts, or none. Returns 0 or a negative errno; @result (may be NULL) then has
 * the failed act and element in @failed_act and @failed_element, else @duplicates.
 * Several threads may use one handle in this, but not one consumer.
 */
int mqbus_transact(const struct mqbus_act *acts, unsigned int n, int64_t timeout_ns,
		   struct mqbus_transact *result);

static inline struct mqbus_act mqbus_act_make(int fd, enum mqbus_act_kind kind,
					      const void *elements, unsigned int count,
					      uint32_t size)
{
	struct mqbus_act act;

	memset(&act, 0, sizeof(act));
	act.fd = fd;
	act.kind = kind;
	act.elements = (uint64_t)(uintptr_t)elements;
	act.count = count;
	act.size = size;
	return act;
}

/* Publish @count records; the caller may set @places, @place_size and @seq afterwards. */
static inline struct mqbus_act mqbus_act_publish(const struct mqbus_producer *p,
						 const struct mqbus_msg *msgs,
						 unsigned int count)
{
	return mqbus_act_make(mqbus_producer_fd(p), MQBUS_ACT_PUBLISH, msgs, count,
			      sizeof(*msgs));
}

/* Settle @count leases: MQBUS_ACK, MQBUS_REJECT, or MQBUS_RELEASE without delay. */
static inline struct mqbus_act mqbus_act_settle(const struct mqbus_worker *w,
						const struct mqbus_settle *settles,
						unsigned int count)
{
	return mqbus_act_make(mqbus_worker_fd(w), MQBUS_ACT_SETTLE, settles, count,
			      sizeof(*settles));
}

/* Commit @count entries: those of mqbus_consumer_progress(), or the caller's own. */
static inline struct mqbus_act mqbus_act_commit(const struct mqbus_consumer *c,
						const struct mqbus_commit_entry *entries,
						unsigned int count)
{
	return mqbus_act_make(mqbus_consumer_fd(c), MQBUS_ACT_COMMIT, entries, count,
			      sizeof(*entries));
}

/* ---- records ---- */

static inline const void *mqbus_record_value(const struct mqbus_record *r,
					     size_t *len)
{
	*len = r->value_len;
	return r + 1;
}

static inline const void *mqbus_record_key(const struct mqbus_record *r,
					   size_t *len)
{
	*len = r->key_len;
	return (const char *)(r + 1) + r->value_len;
}

static inline const void *mqbus_record_routing_key(const struct mqbus_record *r,
						   size_t *len)
{
	*len = r->routing_key_len;
	return (const char *)(r + 1) + r->value_len + r->key_len;
}

/**
 * struct mqbus_header_view - one header of a record, in place
 * @name: not terminated
 * @value: any bytes
 * @name_len: bytes of @name
 * @value_len: bytes of @value
 */
struct mqbus_header_view {
	const char *name;
	const void *value;
	uint16_t name_len;
	uint16_t value_len;
};

/*
 * Walk a record's headers: start with *@iter = 0; returns 1 and fills @view, or
 * 0 at the end.
 */
int mqbus_record_header(const struct mqbus_record *r, uint32_t *iter,
			struct mqbus_header_view *view);
/*
 * Append a header to a block of @size bytes of which *@used are taken. Returns
 * 0, or -EMSGSIZE if it does not fit, -EINVAL for an empty name.
 */
int mqbus_header_add(void *block, size_t size, uint32_t *used,
		     const char *name, size_t name_len,
		     const void *value, size_t value_len);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQBUS_H */
