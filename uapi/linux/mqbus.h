/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * mqbus: topics, partitions and consumer groups inside one machine.
 */
#ifndef _UAPI_LINUX_MQBUS_H
#define _UAPI_LINUX_MQBUS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: The interface
 *
 * This is version 0: it may still change in ways that need a rebuild.
 *
 * An open file of /dev/mqbus is an *endpoint* in the network namespace of the
 * task that opened it, or in the one that it entered with %MQBUS_IOC_ENTER. A
 * new endpoint is unbound: it can create, delete and
 * seek by name. %MQBUS_IOC_PRODUCE makes it a producer of one topic,
 * %MQBUS_IOC_JOIN a member of one group, until it is closed. Permissions are
 * checked against the credentials of the task that opened the file.
 *
 * **Growth.** The size of a structure is part of its ioctl number, and the
 * kernel dispatches on type and number alone. A structure may grow at its end:
 * an older kernel takes a longer structure whose unknown tail is zero, a newer
 * kernel reads the missing tail of a shorter one as zero. Elements of arrays grow
 * by the same rule with the element size given next to the array's address.
 * Padding and reserved fields must be zero.
 *
 * **Time.** Timeouts are relative, in nanoseconds of CLOCK_MONOTONIC: 0 does
 * not wait, %MQBUS_WAIT_FOREVER has no limit. O_NONBLOCK makes every timeout 0.
 * Record times are nanoseconds of CLOCK_REALTIME and never decrease in a
 * partition: if the clock is set back they stay the same until it has
 * caught up, and retention counts from there.
 *
 * **Order.** Inside one partition all records have one order, the same for
 * every reader, and records of one producer keep the order in which it
 * published them. Between partitions there is no order. A topic with N
 * partitions puts all records of a key in one partition (the murmur2 hash of
 * the key, as Kafka's default partitioner), so each key is in order. A
 * per-CPU topic (0 partitions) puts a record in the ring of the CPU that
 * publishes it: it has no order at all, not even for one producer that moves
 * to another CPU.
 *
 * **Errors.** Each errno has one meaning:
 *
 * ============  ==============================================================
 * E2BIG         a structure is longer than this kernel knows, and its tail is not zero
 * EACCES        the mode of the topic or group does not allow it; a writable or
 *               executable mapping was requested
 * EAGAIN        the call would have to wait, and may not
 * EALREADY      the lease was settled before
 * EBADF         a number in a transaction is not an open endpoint of this namespace;
 *               a descriptor is not open
 * EBADFD        the endpoint is in the wrong state for this call
 * EBUSY         the group still has members; or dead letters still wait for the topic
 *               that is to be removed from it
 * ECHRNG        there is no partition of that number
 * EDQUOT        the limit of bytes of the uid that pays, or of one who answers for its user
 *               namespace, is reached
 * EEXIST        the name is taken
 * EFAULT        memory named in the call cannot be read or written. Output buffers are
 *               checked first, so nothing was done; but if one is unmapped while the
 *               call runs, the call may have taken effect
 * EIDRM         the topic or the group was deleted
 * EILSEQ        a name has a character that names may not have
 * EINTR         a signal arrived while waiting
 * EINVAL        padding that is not zero, an unknown enum value or mode bit, a
 *               size that is not a power of two, malformed headers, an empty
 *               name, a mapping that is private or of a wrong length, options
 *               of a queue that exclude each other, a descriptor of something
 *               other than a network namespace
 * ELOOP         dead letters of the topic would come back to it
 * EMFILE        the topic has the maximum of groups or of live named producers, the group
 *               that of members, or the namespace that of topics
 * EMSGSIZE      a record (or one part of it) is over the maximum, or a buffer
 *               is too small for the record
 * ENAMETOOLONG  a name does not end within its field
 * ENOBUFS       a topic of %MQBUS_FULL_REJECT is full
 * ENOENT        there is no topic or group of that name; no lease of that number
 *               was ever given
 * ENOLINK       fenced: the producer's name was opened again, the member's id joined
 *               again, or a member did not release a partition in time
 * ENOMEM        the machine or the memory cgroup has no memory left
 * ENOSPC        the limit of bytes of the network namespace, or of the machine, is reached
 * ENOTTY        not an mqbus ioctl, or shorter than its first version
 * EOPNOTSUPP    a flag or a kind that this kernel does not know
 * EOVERFLOW     sizes whose sum or product does not fit
 * EPERM         only the owner, or a task with a capability, may do this; another
 *               member holds the lease
 * EPROTO        a sequence number does not follow the producer's last
 * ERANGE        a number is outside its limits, see %MQBUS_IOC_INFO
 * ESTALE        the partition is not, or no longer, assigned to this member; the
 *               lease ended long ago
 * ETIMEDOUT     the timeout passed; the lease ended before it was settled
 * EUSERS        a topic with limits for each uid already has producers or records of
 *               %MQBUS_USERS_MAX uids
 * EXFULL        a rate, or the uid's share of the topic, is used up
 *               (%MQBUS_OVER_REJECT)
 * ============  ==============================================================
 */

#define MQBUS_WAIT_FOREVER	(~0ULL)

/* Bytes of a name with its terminating NUL; of [A-Za-z0-9._:@-], not first "-" or "." */
#define MQBUS_NAME_SIZE		128
/* Bytes of a key, of a routing key, of all headers of a record together */
#define MQBUS_KEY_MAX		1024
#define MQBUS_ROUTING_KEY_MAX	255
#define MQBUS_HEADERS_MAX	16384
/* Headers of one record */
#define MQBUS_HEADER_COUNT_MAX	128
/* Bytes of key, routing key, headers and value together, where the topic allows it */
#define MQBUS_RECORD_MAX	(256 * 1024)
#define MQBUS_RECORD_DEFAULT	(64 * 1024)
/* Bytes of one partition's ring; a power of two */
#define MQBUS_RING_MIN		4096ULL
#define MQBUS_RING_MAX		(1ULL << 30)
#define MQBUS_PARTITIONS_MAX	1024
/* Records in one %MQBUS_IOC_PUBLISH, ranges in one %MQBUS_IOC_FETCH */
#define MQBUS_BATCH_MAX		4096
#define MQBUS_FETCH_MAX		16

/* Records in flight in a queue group: maximum and default */
#define MQBUS_INFLIGHT_MAX	(1U << 20)
#define MQBUS_INFLIGHT_DEFAULT	1024
/* Bytes of a retry ring */
#define MQBUS_RETRY_MAX		(64ULL << 20)
/* Failures after which a record is a dead letter */
#define MQBUS_ATTEMPTS_MAX		1000
#define MQBUS_ATTEMPTS_DEFAULT	5
/* ns: longest lease, delay and backoff (30 days) */
#define MQBUS_DELAY_MAX		(30ULL * 24 * 3600 * 1000000000)
/* ns, ns, hundredths, percent: backoff by default, and the smallest one: at once */
#define MQBUS_BACKOFF_MIN_DEFAULT	(100ULL * 1000000)
#define MQBUS_BACKOFF_MAX_DEFAULT	(60ULL * 1000000000)
#define MQBUS_BACKOFF_FACTOR_DEFAULT	200
#define MQBUS_BACKOFF_JITTER_DEFAULT	20
#define MQBUS_BACKOFF_NONE		(~0ULL)
/* Leases and settlements in one %MQBUS_IOC_LEASE */
#define MQBUS_LEASE_MAX		4096

/* Members of a group; of a stream group also those that are away for their grace time */
#define MQBUS_MEMBERS_MAX	4096
/* ns: default time in which a member must release a partition */
#define MQBUS_REBALANCE_DEFAULT	(60ULL * 1000000000)
/* Names of producers that a topic remembers */
#define MQBUS_PRODUCERS_MAX	1024
/* Distinct uids in a topic with limits for each uid */
#define MQBUS_USERS_MAX		255
/* Highest rate: records or bytes a second */
#define MQBUS_RATE_MAX		1000000000000ULL
/*
 * Limits of a transaction: acts; their elements together; partitions that it publishes to;
 * bytes of its records in the rings
 */
#define MQBUS_ACTS_MAX		32
#define MQBUS_TRANSACT_MAX	1024
#define MQBUS_TRANSACT_PARTITIONS	64
#define MQBUS_TRANSACT_BYTES	(320 * 1024)

/* "No number": the default partition, owner, group, partition of a seek */
#define MQBUS_ANY		(~0U)
/* In place of a partition: the retry ring of a queue group */
#define MQBUS_RETRY		(~1U)

/**
 * struct mqbus_record - a record in a ring
 * @size: bytes to the next record: header, parts and padding; a multiple of 8
 * @flags: 0
 * @offset: dense number in the partition, from 0
 * @time: ns of CLOCK_REALTIME at which it was stored
 * @producer: identifies the producer within the namespace
 * @seq: number of the record from its producer, from 1; a named producer continues
 *	from the last record stored under its name
 * @value_len: bytes of the value
 * @headers_len: bytes of the headers
 * @key_len: bytes of the key; 0: no key
 * @routing_key_len: bytes of the routing key
 * @schema: id of its schema, as the producer gave it
 * @epoch: of a named producer: how often its name had been opened, from 1; else 0
 * @__owner: internal: the user that the record's space counts for
 *
 * The parts follow without padding: value, key, routing key, headers. So the
 * value starts at a multiple of 8. Headers are a sequence of &struct
 * mqbus_header. Records are immutable; they start at multiples of 8 and are
 * contiguous in the mapping even where they cross the end of the ring.
 */
struct mqbus_record {
	__u32 size;
	__u32 flags;
	__u64 offset;
	__u64 time;
	__u64 producer;
	__u64 seq;
	__u32 value_len;
	__u32 headers_len;
	__u16 key_len;
	__u16 routing_key_len;
	__u32 schema;
	__u32 epoch;
	__u32 __owner;
};

/**
 * struct mqbus_header - one header; its name and its value follow
 * @name_len: bytes of the name, at least 1
 * @value_len: bytes of the value
 *
 * Headers are packed without padding, so copy the lengths out before use.
 */
struct mqbus_header {
	__u16 name_len;
	__u16 value_len;
};

/**
 * struct mqbus_ring_page - the first page of a mapped partition, read-only
 * @tail: position behind the last record
 * @next_offset: offset that the next record gets; stored after @tail
 * @next_begun: the same, stored before @tail
 * @head: position of the oldest record kept
 * @head_offset: its offset; stored after @head
 * @head_begun: the same, stored before @head
 * @size: bytes of the ring
 * @partition: number of the partition
 * @__pad0: 0
 * @__pad1: 0
 * @__pad2: 0
 *
 * A *position* counts bytes since the ring was made; a record at position p
 * lies at byte (p & (size - 1)) of the data. @tail is stored after the bytes
 * that it covers (read it with acquire). @head is stored before the bytes
 * below it are reused: on a topic of %MQBUS_FULL_EVICT copy a record out, then
 * (after a load fence) read @head; the copy is good if its position is not
 * below. On other topics, records fetched and not committed stay.
 *
 * In the retry ring of a queue group only @size and @partition are valid: records come
 * and go there in any order, at the positions in their leases.
 *
 * To read position and offset as a pair, read @next_offset, @tail and
 * @next_begun in this order, each with acquire: they belong together if the
 * first and the last are equal. @head_offset, @head, @head_begun likewise. A reader
 * of ends in this way sees a transaction's records in all partitions or in none:
 * once it has read an end that covers one of them, every later end covers the others.
 */
struct mqbus_ring_page {
	__u64 tail;
	__u64 next_offset;
	__u64 next_begun;
	__u64 __pad0[5];
	__u64 head;
	__u64 head_offset;
	__u64 head_begun;
	__u64 __pad1[5];
	__u64 size;
	__u32 partition;
	__u32 __pad2;
};

/**
 * struct mqbus_info - ioctl(MQBUS_IOC_INFO)
 * @flags: must be 0
 * @record_header: out: bytes of &struct mqbus_record
 * @features: out: bits of optional features; none yet
 * @max_bytes: out: limit of bytes in this namespace
 * @used_bytes: out: bytes in use in this namespace
 * @max_user_bytes: out: limit of bytes of each uid. Who pays in a user namespace also makes
 *	its owner pay, and so on up to the initial one; all uids of one that root owns are one
 * @max_topics: out: limit of topics in this namespace
 * @max_groups: out: limit of groups of a topic
 * @page_size: out: unit of mappings
 * @cpus: out: partitions that a per-CPU topic gets
 * @used_user_bytes: out: bytes in use by the caller's uid, or by the owner of a user namespace
 *	above who has more in use
 * @max_machine_bytes: out: limit of bytes of all; a 16th of it is for CAP_SYS_RESOURCE
 * @used_machine_bytes: out: bytes in use by all
 */
struct mqbus_info {
	__u32 flags;
	__u32 record_header;
	__u64 features;
	__u64 max_bytes;
	__u64 used_bytes;
	__u64 max_user_bytes;
	__u32 max_topics;
	__u32 max_groups;
	__u32 page_size;
	__u32 cpus;
	__u64 used_user_bytes;
	__u64 max_machine_bytes;
	__u64 used_machine_bytes;
};

/**
 * struct mqbus_enter - ioctl(MQBUS_IOC_ENTER)
 * @flags: must be 0
 * @netns: a descriptor of a network namespace: /proc/PID/ns/net, or a file that this was
 *	bind-mounted on, opened for reading
 *
 * Moves an unbound endpoint to the bus of that namespace, once. Whoever has such a descriptor
 * may do so; it gives no other right there. Topics and groups are checked as for any caller:
 * uids and gids are compared as the kernel's, not as numbers in a user namespace, and a
 * capability counts only if the opener has it over the user namespace that owns the bus.
 * What is created is charged to that namespace and to the opener's uid.
 *
 * The endpoint keeps the bus alive, with its topics, as its own processes do, and the one where
 * it was opened. A call that another thread has begun ends where it began. Listings come from
 * netlink, whose requests take such a descriptor too; events are those of the socket's
 * namespace. Errors: EBADF, EINVAL (a descriptor of anything else), EBADFD (the endpoint is
 * bound, or has entered a namespace before).
 */
struct mqbus_enter {
	__u32 flags;
	__s32 netns;
};

/**
 * enum mqbus_full - what a full topic does with the next record
 * @MQBUS_FULL_BLOCK: the producer waits for its turn; no unconsumed record is dropped
 * @MQBUS_FULL_REJECT: ENOBUFS at once; no unconsumed record is dropped
 * @MQBUS_FULL_EVICT: the oldest records are dropped; groups learn how many they lost
 *
 * With BLOCK and REJECT a topic that has no group yet keeps everything.
 *
 * **Turns.** Producers that wait for room in a partition, or poll for it, are served in
 * the order in which they came, and room that becomes free is reserved for the first: small
 * records cannot overtake a large record or a transaction for ever, and a call that has
 * room may still have to wait for its turn (EAGAIN, if it may not wait). A producer that
 * does not take its turn (it is stopped, or its memory faults) loses it to the others after
 * some milliseconds. A producer over its uid's share waits behind those of its uid
 * alone.
 */
enum mqbus_full {
	MQBUS_FULL_BLOCK,
	MQBUS_FULL_REJECT,
	MQBUS_FULL_EVICT,
};

/**
 * enum mqbus_over - what a topic does with a record over a rate or a share
 * @MQBUS_OVER_BLOCK: the producer waits
 * @MQBUS_OVER_REJECT: EXFULL at once
 */
enum mqbus_over {
	MQBUS_OVER_BLOCK,
	MQBUS_OVER_REJECT,
};

/**
 * struct mqbus_topic_create - ioctl(MQBUS_IOC_TOPIC_CREATE)
 * @flags: bits of MQBUS_TOPIC_F_*
 * @partitions: number of rings; 0: one for each possible CPU, without order
 * @size: bytes of each ring, a power of two
 * @retention: ns after which records are dropped although there is space; 0: never.
 *	With BLOCK and REJECT only records that all groups have settled are dropped.
 * @max_record: bytes of the parts of a record together; 0: 64 KiB or a quarter
 *	of the ring, whichever is less; at most half of the ring
 * @full: an &enum mqbus_full
 * @mode: rwx for owner, group, others: r is to read, w is to publish, x is to create groups
 *	that hold records, which the owner may always
 * @uid: owner in the opener's user namespace, or MQBUS_ANY for the opener;
 *	a uid other than the opener's needs CAP_CHOWN
 * @gid: group likewise
 * @fields: with %MQBUS_TOPIC_F_SET bits of MQBUS_TOPIC_SET_*, else 0
 * @name: the topic's name
 * @retention_size: bytes of records that a partition keeps although there is space;
 *	0: no limit. As @retention: without %MQBUS_FULL_EVICT only records that all groups
 *	have settled are dropped.
 * @rate: records a second, of all producers together; 0: no limit
 * @rate_bytes: bytes a second (records as they lie in the ring), likewise
 * @user_rate: as @rate, of the producers of one uid
 * @user_rate_bytes: as @rate_bytes, of the producers of one uid
 * @burst: ns for which a rate may be saved up, at most %MQBUS_DELAY_MAX; 0: one second
 * @share: percent of each partition that records of one uid may take, 1 to 100;
 *	0: no limit. Not with %MQBUS_FULL_EVICT (EOPNOTSUPP), where no producer waits.
 * @over: an &enum mqbus_over
 *
 * Rates are token buckets (as Kafka's quotas, but exact): an idle producer may
 * send a burst. A record larger than a bucket is stored when the bucket is full, and
 * paid for afterwards, by all producers if the bucket is the topic's: with a @burst that
 * admits the largest record nobody waits for another's. With a share, one uid's unsettled
 * records leave room for the others; its oldest settled records are dropped when it needs
 * space. A uid that has nothing stored may store a record larger than the share.
 *
 * **Changing a topic.** %MQBUS_TOPIC_F_SET changes an existing topic: the attributes in
 * @fields get the new values, and the rest of the structure is ignored. For the
 * owner or CAP_DAC_OVERRIDE; a new owner needs CAP_CHOWN. @full may not change to or
 * from %MQBUS_FULL_EVICT (EOPNOTSUPP). Open endpoints keep their permissions. A
 * new share counts only records stored from then on; a changed rate starts with a full
 * bucket. Errors: ENOENT, EPERM, EINVAL (no @fields),
 * EOPNOTSUPP, ERANGE; the topic is unchanged then.
 *
 * The bytes of all rings are charged to the opener's uid, namespace and memory
 * cgroup at once. Errors: EEXIST, EINVAL, ERANGE, EOVERFLOW, EDQUOT, ENOSPC,
 * EMFILE, ENOMEM, EPERM, EILSEQ, ENAMETOOLONG.
 */
struct mqbus_topic_create {
	__u32 flags;
	__u32 partitions;
	__u64 size;
	__u64 retention;
	__u32 max_record;
	__u32 full;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 fields;
	char name[MQBUS_NAME_SIZE];
	__u64 retention_size;
	__u64 rate;
	__u64 rate_bytes;
	__u64 user_rate;
	__u64 user_rate_bytes;
	__u64 burst;
	__u32 share;
	__u32 over;
};

/* Change an existing topic */
#define MQBUS_TOPIC_F_SET		(1U << 0)
#define __MQBUS_TOPIC_F_ALL		MQBUS_TOPIC_F_SET

#define MQBUS_TOPIC_SET_RETENTION	(1U << 0)
#define MQBUS_TOPIC_SET_RETENTION_SIZE	(1U << 1)
#define MQBUS_TOPIC_SET_FULL		(1U << 2)
#define MQBUS_TOPIC_SET_MODE		(1U << 3)
#define MQBUS_TOPIC_SET_UID		(1U << 4)
#define MQBUS_TOPIC_SET_GID		(1U << 5)
/* One bit for each of the rates */
#define MQBUS_TOPIC_SET_RATE		(1U << 6)
#define MQBUS_TOPIC_SET_RATE_BYTES	(1U << 7)
#define MQBUS_TOPIC_SET_USER_RATE	(1U << 8)
#define MQBUS_TOPIC_SET_USER_RATE_BYTES	(1U << 9)
#define MQBUS_TOPIC_SET_BURST		(1U << 10)
#define MQBUS_TOPIC_SET_SHARE		(1U << 11)
#define MQBUS_TOPIC_SET_OVER		(1U << 12)
#define __MQBUS_TOPIC_SET_ALL		((1U << 13) - 1)

/**
 * struct mqbus_topic_delete - ioctl(MQBUS_IOC_TOPIC_DELETE)
 * @flags: must be 0
 * @__reserved: must be 0
 * @name: the topic's name
 *
 * For the owner or CAP_DAC_OVERRIDE. Endpoints bound to the topic get EIDRM
 * from then on; closing the last of them frees its memory.
 */
struct mqbus_topic_delete {
	__u32 flags;
	__u32 __reserved;
	char name[MQBUS_NAME_SIZE];
};

/**
 * enum mqbus_whence - a place in a partition
 * @MQBUS_WHENCE_EARLIEST: the oldest record kept
 * @MQBUS_WHENCE_LATEST: behind the last record
 * @MQBUS_WHENCE_OFFSET: an offset, clamped to the records kept
 * @MQBUS_WHENCE_TIME: the first record stored at that time or later; records published
 *	during the search are behind it
 * @MQBUS_WHENCE_SHIFT: a signed number of records from the committed offset, clamped to
 *	the records kept; only to seek
 */
enum mqbus_whence {
	MQBUS_WHENCE_EARLIEST,
	MQBUS_WHENCE_LATEST,
	MQBUS_WHENCE_OFFSET,
	MQBUS_WHENCE_TIME,
	MQBUS_WHENCE_SHIFT,
};

/**
 * enum mqbus_group_type - how a group hands out records
 * @MQBUS_GROUP_STREAM: partitions are assigned to members, which commit offsets
 * @MQBUS_GROUP_QUEUE: records are leased to any member, which settles each
 *
 * The first is Kafka's consumer group, the second Kafka's share group, an SQS
 * queue, or a RabbitMQ queue bound to an exchange.
 */
enum mqbus_group_type {
	MQBUS_GROUP_STREAM,
	MQBUS_GROUP_QUEUE,
};

/**
 * struct mqbus_queue_options - how a queue group works
 * @flags: bits of MQBUS_QUEUE_F_*
 * @max_inflight: records that may be in flight at a time; 0: 1024
 * @credit: of these, how many one member may hold; 0: no limit of its own
 * @max_attempts: failures after which a record is a dead letter; 0: 5; MQBUS_ANY:
 *	never. Without @dlq it must be 0 or MQBUS_ANY: the record is retried for
 *	ever, since anything else would lose it.
 * @lease: ns that a member has for a record; 0: as long as its file is open
 * @backoff_min: ns until a record that failed once is retried; 0: 100 ms, or @backoff_max
 *	if that is less; %MQBUS_BACKOFF_NONE: at once, and the other three must be 0
 * @backoff_max: maximum backoff in ns, not less than @backoff_min (ERANGE); 0: 1 min, or
 *	@backoff_min if that is more
 * @backoff_factor: factor of the backoff for each further failure, in hundredths, 100
 *	to 10000; 0: 200
 * @backoff_jitter: each backoff is shortened at random by up to so many percent; if all four
 *	are 0, it is 20
 * @retry_size: bytes of the ring in which failed records wait, a power of two; 0:
 *	four times the largest record, at least 64 KiB
 * @__reserved: must be 0
 * @dlq: the topic for dead letters; "": none
 *
 * A record counts as *in flight* from when it is handed out until it is settled,
 * but not while it waits in the retry ring. State for each is allocated and
 * charged when the group is created: 64 bytes for each of @max_inflight and for each
 * 256 bytes of @retry_size; with %MQBUS_QUEUE_F_KEY_EXCLUSIVE 80 bytes, and as many
 * again as @max_inflight for records held back.
 *
 * **Turns.** While there are both, records that had been handed out before and fresh ones
 * alternate: of those handed out at least every second one is fresh, whatever fails and
 * however often, and every second one is a retry. A fresh one needs room in @max_inflight, and
 * is not held back for its key.
 *
 * **Attempts.** A nack, an expired lease, and the death of a member (the last
 * close of a file that held leases, see &struct mqbus_join) are failures and count; a
 * release does not. After the first two the record waits for the backoff, in the retry ring;
 * after a death it is handed out again at once, from the second failure on from there, too.
 * If the retry ring is full (of bytes, or of a record for
 * each 256 of them; room for the largest record is kept free), the record waits where it
 * is, counts as in flight and holds its space: failing records slow the group down
 * instead of being lost. Such records move to the retry ring in turn, as soon as it
 * has room. A leased record there does not keep others from coming and
 * going, however long the lease, except that no record fits across it.
 *
 * **Dead letters.** After @max_attempts failures, or when it is rejected, a record is
 * appended to @dlq and settled in one step. It keeps its key, routing key, value, schema
 * and headers; headers that begin with %MQBUS_DLQ_PREFIX are replaced by:
 *
 * ================  ==========================================================
 * mqbus.topic       topic that it was published to
 * mqbus.partition
 * mqbus.offset
 * mqbus.group       the group that gave it up
 * mqbus.attempts    how often it was handed out and failed or was rejected
 * mqbus.reason      the last: "nack", "expired", "died" or "rejected"
 * mqbus.first       ns of CLOCK_REALTIME at which it was first handed out
 * mqbus.last        ns of CLOCK_REALTIME at which it was given up
 * mqbus.pid         process that had it last, in that process's pid namespace
 * mqbus.uid         its uid in the user namespace that owns the network namespace
 * ================  ==========================================================
 *
 * Numbers are decimal text. With these a record may have more headers than
 * %MQBUS_HEADERS_MAX allows. Any producer of @dlq may write such headers, too;
 * but &mqbus_record.producer of a dead letter is a number of the group that no producer
 * ever has (dlq-producer in mqbus.yaml).
 *
 * If its partition of @dlq is full the record waits in the
 * retry ring and counts as blocked, while records for other partitions proceed. A record
 * rejected in a group without @dlq is dropped and counts as discarded. No dead letter is
 * larger than @dlq takes from its producers (max_record), except for these headers.
 *
 * The group refers to @dlq by name. It does not keep a deleted @dlq alive: dead letters
 * wait. They go to a new topic of that name if its owner is the former topic's, the
 * setter of @dlq or root of the namespace; the credentials that set @dlq may write to
 * it; no loop would result; and it takes the largest record. Otherwise they wait
 * until it is changed or replaced. They also wait while the setter of @dlq has no right
 * to write there.
 *
 * Topics of %MQBUS_FULL_EVICT have no queue groups: leased records must stay.
 */
struct mqbus_queue_options {
	__u32 flags;
	__u32 max_inflight;
	__u32 credit;
	__u32 max_attempts;
	__u64 lease;
	__u64 backoff_min;
	__u64 backoff_max;
	__u32 backoff_factor;
	__u32 backoff_jitter;
	__u64 retry_size;
	__u64 __reserved;
	char dlq[MQBUS_NAME_SIZE];
};

#define MQBUS_DLQ_PREFIX	"mqbus."

/*
 * A record is settled when it is handed out, and never handed out twice (Kafka's
 * at-most-once). Its space is held until the member is done with it. It is not retried
 * however its lease ends; only a reject still makes it a dead letter.
 */
#define MQBUS_QUEUE_F_AT_MOST_ONCE	(1U << 0)
/*
 * Records of one key are handed out one at a time, in order, each after the previous
 * one is settled; keys do not wait for each other. Up to @max_inflight records
 * are held back for their key; when there are more, the partition waits.
 */
#define MQBUS_QUEUE_F_KEY_EXCLUSIVE	(1U << 1)
#define __MQBUS_QUEUE_F_ALL	(MQBUS_QUEUE_F_AT_MOST_ONCE | MQBUS_QUEUE_F_KEY_EXCLUSIVE)

/**
 * struct mqbus_stream_options - how a stream group shares out its partitions
 * @rebalance_timeout: ns that a member has to release a revoked partition before it is
 *	fenced; 0: 60 s; %MQBUS_WAIT_FOREVER: it is never fenced
 * @grace: ns for which the partitions of a member that joined with an id are kept
 *	for it after it left; 0: not at all
 * @__reserved: must be 0
 *
 * At most %MQBUS_DELAY_MAX each (ERANGE). See &struct mqbus_join.
 */
struct mqbus_stream_options {
	__u64 rebalance_timeout;
	__u64 grace;
	__u64 __reserved;
};

/**
 * struct mqbus_group_create - ioctl(MQBUS_IOC_GROUP_CREATE)
 * @flags: bits of MQBUS_GROUP_F_*
 * @type: an &enum mqbus_group_type
 * @whence: an &enum mqbus_whence, for all partitions
 * @mode: rw for owner, group, others: r is to be listed, w is to join
 * @value: offset or time that @whence needs, else 0
 * @topic: the topic's name; needs r on it
 * @group: the new group's name
 * @queue: options of a queue group; all zero for a stream group
 * @stream: options of a stream group; all zero for a queue group
 * @expire: ns without members after which the group is deleted, at most %MQBUS_DELAY_MAX; 0:
 *	never. Must be 0 with %MQBUS_GROUP_F_EPHEMERAL. While partitions are kept for a member
 *	(@grace), the group stays.
 *
 * The group belongs to the opener. @dlq needs w on that topic.
 *
 * **Holding.** A group holds the records that it has not settled: a topic of
 * %MQBUS_FULL_BLOCK or %MQBUS_FULL_REJECT fills and stays full while a group does not read. So
 * it needs x on such a topic. With r alone a stream group may be an observer: no record waits
 * for it, and it learns how many it lost, on every topic. An observer reads as members do on
 * topics of %MQBUS_FULL_EVICT: a record may be overwritten while it is read, see
 * &struct mqbus_ring_page.
 *
 * Errors: EEXIST, ENOENT (@topic or @dlq), EACCES, EMFILE (the topic has the maximum of
 * groups, or 1024 groups send their dead letters to @dlq), ELOOP (@dlq is
 * @topic, or its own dead letters reach @topic), EMSGSIZE (max_record of @topic is above
 * that of @dlq, or would not fit with the headers of a dead letter into half of a ring
 * of @dlq; or two of the largest records do not fit into the retry ring), ERANGE, EINVAL,
 * EOPNOTSUPP (a queue group on a topic that evicts, or that observes), EDQUOT, ENOSPC, ENOMEM.
 */
struct mqbus_group_create {
	__u32 flags;
	__u32 type;
	__u32 whence;
	__u32 mode;
	__u64 value;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	struct mqbus_queue_options queue;
	struct mqbus_stream_options stream;
	__u64 expire;
};

/* The group holds no records back; a stream group (else EOPNOTSUPP) */
#define MQBUS_GROUP_F_OBSERVER		(1U << 0)
/* The group goes with its last member, or when none has joined for 10 s after its creation */
#define MQBUS_GROUP_F_EPHEMERAL		(1U << 1)
#define __MQBUS_GROUP_F_ALL	(MQBUS_GROUP_F_OBSERVER | MQBUS_GROUP_F_EPHEMERAL)

/**
 * struct mqbus_group_set - ioctl(MQBUS_IOC_GROUP_SET)
 * @flags: must be 0
 * @fields: bits of MQBUS_GROUP_SET_*: what to change
 * @topic: the topic's name
 * @group: the group's name
 * @queue: new values of a queue group's options
 * @stream: new values of a stream group's options
 * @paused: 1: the group hands out nothing: its members wait as if there were no
 *	records, but settle, commit and leave as always, and it holds its space; 0: resume
 * @__reserved: must be 0
 * @lag_threshold: records of lag, over all partitions, above which there is an event, and
 *	another when the lag is below 80 percent of it; checked once a second; 0: none
 * @mode: as of &struct mqbus_group_create
 * @uid: owner in the opener's user namespace, or MQBUS_ANY for the opener; another owner
 *	needs CAP_CHOWN
 * @gid: group likewise
 * @__reserved2: must be 0
 * @expire: as of &struct mqbus_group_create
 *
 * For the owner of the group or of the topic, or CAP_DAC_OVERRIDE. New values apply
 * from then on: a running lease keeps its time, a waiting record its due
 * time. @max_inflight cannot exceed the value that the group was created
 * with. Errors as of %MQBUS_IOC_GROUP_CREATE; EBADFD for an option of the other type of
 * group; EBUSY if @dlq is removed while dead letters wait for it; EINVAL if @fields is
 * 0. The group is unchanged then.
 */
struct mqbus_group_set {
	__u32 flags;
	__u32 fields;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	struct mqbus_queue_options queue;
	struct mqbus_stream_options stream;
	__u32 paused;
	__u32 __reserved;
	__u64 lag_threshold;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 __reserved2;
	__u64 expire;
};

#define MQBUS_GROUP_SET_MAX_INFLIGHT	(1U << 0)
#define MQBUS_GROUP_SET_CREDIT		(1U << 1)
#define MQBUS_GROUP_SET_MAX_ATTEMPTS		(1U << 2)
#define MQBUS_GROUP_SET_LEASE		(1U << 3)
/* All four backoff options */
#define MQBUS_GROUP_SET_BACKOFF		(1U << 4)
#define MQBUS_GROUP_SET_DLQ		(1U << 5)
#define MQBUS_GROUP_SET_REBALANCE_TIMEOUT (1U << 6)
#define MQBUS_GROUP_SET_GRACE		(1U << 7)
/* For groups of both types */
#define MQBUS_GROUP_SET_PAUSED		(1U << 8)
#define MQBUS_GROUP_SET_LAG_THRESHOLD	(1U << 9)
#define MQBUS_GROUP_SET_MODE		(1U << 10)
#define MQBUS_GROUP_SET_UID		(1U << 11)
#define MQBUS_GROUP_SET_GID		(1U << 12)
/* An ephemeral group is not ephemeral any more */
#define MQBUS_GROUP_SET_EXPIRE		(1U << 13)
#define __MQBUS_GROUP_SET_ALL		((1U << 14) - 1)

/**
 * struct mqbus_group_delete - ioctl(MQBUS_IOC_GROUP_DELETE)
 * @flags: bits of MQBUS_GROUP_DELETE_F_*
 * @__reserved: must be 0
 * @topic: the topic's name
 * @group: the group's name
 *
 * For the owner of the group or of the topic, or CAP_DAC_OVERRIDE. A group
 * with members is refused with EBUSY unless %MQBUS_GROUP_DELETE_F_FORCE is
 * given; its members then get EIDRM.
 */
struct mqbus_group_delete {
	__u32 flags;
	__u32 __reserved;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
};

#define MQBUS_GROUP_DELETE_F_FORCE	(1U << 0)
#define __MQBUS_GROUP_DELETE_F_ALL	MQBUS_GROUP_DELETE_F_FORCE

/**
 * struct mqbus_seek_result - where a seek moves one partition
 * @partition: its number
 * @__reserved: 0
 * @old_offset: the offset that the group had committed
 * @new_offset: the offset that it reads next
 * @end_offset: the offset that the next record gets
 */
struct mqbus_seek_result {
	__u32 partition;
	__u32 __reserved;
	__u64 old_offset;
	__u64 new_offset;
	__u64 end_offset;
};

/**
 * struct mqbus_group_seek - ioctl(MQBUS_IOC_GROUP_SEEK)
 * @flags: bits of MQBUS_GROUP_SEEK_F_*
 * @whence: an &enum mqbus_whence
 * @partition: number of a partition, or MQBUS_ANY for all
 * @result_size: bytes of one element of @results
 * @value: offset, time or signed shift that @whence needs, else 0
 * @results: address of &struct mqbus_seek_result elements, or 0
 * @nr_results: in: room at @results; out: number of partitions affected
 * @__reserved: must be 0
 * @topic: the topic's name
 * @group: the group's name
 *
 * For the owner of the group or of the topic, or CAP_DAC_OVERRIDE. EBUSY while
 * the group has members, unless %MQBUS_GROUP_SEEK_F_FORCE is given (not for a dry run).
 * With it the members of a stream group are fenced (their commits of earlier records fail
 * with ENOLINK, and their next fetch admits them again), and leases of a queue group end
 * (ESTALE; they count as released). @results are zeroed first: with a bad
 * address nothing moves. A queue group forgets the records that it took from the partition
 * and has not settled; those that had been handed out count as discarded. If some of them
 * failed, and wait for another attempt or, as dead letters, for
 * room, it is EBUSY too without %MQBUS_GROUP_SEEK_F_FORCE.
 */
struct mqbus_group_seek {
	__u32 flags;
	__u32 whence;
	__u32 partition;
	__u32 result_size;
	__u64 value;
	__aligned_u64 results;
	__u32 nr_results;
	__u32 __reserved;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
};

/* Only report what the seek would do */
#define MQBUS_GROUP_SEEK_F_DRY_RUN	(1U << 0)
/* Even if the group has members, or records that failed and are not settled */
#define MQBUS_GROUP_SEEK_F_FORCE	(1U << 1)
#define __MQBUS_GROUP_SEEK_F_ALL	(MQBUS_GROUP_SEEK_F_DRY_RUN | MQBUS_GROUP_SEEK_F_FORCE)

/**
 * struct mqbus_produce - ioctl(MQBUS_IOC_PRODUCE)
 * @flags: must be 0
 * @__reserved: must be 0
 * @producer: out: the id that the records will carry
 * @topic: the topic's name; needs w on it
 * @name: the producer's name, or ""
 * @last_seq: out: sequence number of the last record stored under that name; 0: none
 * @epoch: out: how often the name was opened, this time included; 0 without a name
 * @__reserved2: must be 0
 *
 * Binds an unbound endpoint as a producer.
 *
 * **Named producers** (Kafka's transactional.id, the publisher name of RabbitMQ streams).
 * Opening a name again fences the endpoint that had it: once the call returns, that
 * endpoint cannot store any more (ENOLINK), and @last_seq is final. A program restarted
 * after a kill continues after @last_seq and neither loses nor repeats a record. The name
 * belongs to the uid that opened it first (EPERM for others without CAP_DAC_OVERRIDE). A
 * topic remembers %MQBUS_PRODUCERS_MAX names, each charged to its uid, and of one uid no
 * more than it leaves for others: half of them, or a quarter while another uid has half, and
 * so on (all with CAP_SYS_RESOURCE). A new name replaces the name of the same uid that was
 * closed longest ago or, when the topic has %MQBUS_PRODUCERS_MAX names, one of the uid
 * that has most; it never replaces an open one (EMFILE if all are open).
 */
struct mqbus_produce {
	__u32 flags;
	__u32 __reserved;
	__u64 producer;
	char topic[MQBUS_NAME_SIZE];
	char name[MQBUS_NAME_SIZE];
	__u64 last_seq;
	__u32 epoch;
	__u32 __reserved2;
};

/**
 * struct mqbus_join - ioctl(MQBUS_IOC_JOIN)
 * @flags: must be 0
 * @__reserved: must be 0
 * @topic: the topic's name; needs r on it
 * @group: the group's name; needs w on it
 * @member: an id that is unique in this group, or ""; "" for a queue group
 *
 * Binds an unbound endpoint as a member of a group. All members of a queue group are
 * served alike. EMFILE: the group has %MQBUS_MEMBERS_MAX.
 *
 * **Assignment.** The members of a stream group share its partitions: each has as many as
 * the others, or one more, and keeps its own as far as that allows (as Kafka's sticky
 * assignor). Members beyond the number of partitions stand by; the one that waits longest
 * takes over. A revoked partition moves to another member as soon as
 *
 * - its owner has committed all records that it fetched of it: at once if there were none.
 *   The owner gets no more of it meanwhile, and sees POLLPRI and a range with
 *   %MQBUS_RANGE_F_REVOKED;
 * - its owner releases it without committing (%MQBUS_COMMIT_F_RELEASE);
 * - its owner leaves or dies;
 * - the group's rebalance timeout passes. Then the owner is *fenced*: it loses all its
 *   partitions, its commits fail with ENOLINK, and it gets nothing until its next fetch.
 *
 * Records fetched and not committed are handed out again to the new owner. A partition
 * gets a new generation with each owner, see &struct mqbus_range.
 *
 * **Static members.** When a member with an id leaves, its partitions are kept for the
 * group's grace time; if it joins again before that, it has them at once and no other
 * member's change (Kafka's group.instance.id). Joining with the id of a live member fences
 * that member: its calls fail with ENOLINK.
 *
 * **Death.** A member dies, and leaves, with the last close of its file, not with the process
 * that joined: whoever has the descriptor keeps it alive, such as a child that inherited it by
 * fork(), or a process that it was sent to, and so does a mapping of it. Open with O_CLOEXEC,
 * and close it in a child that only forks.
 */
struct mqbus_join {
	__u32 flags;
	__u32 __reserved;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	char member[MQBUS_NAME_SIZE];
};

/**
 * struct mqbus_msg - a record to publish
 * @value: address of the value
 * @key: address of the key
 * @routing_key: address of the routing key
 * @headers: address of &struct mqbus_header elements
 * @value_len: bytes of the value; may be 0
 * @headers_len: bytes of the headers; 0: none
 * @key_len: bytes of the key; 0: no key
 * @routing_key_len: bytes of the routing key; 0: none
 * @partition: number of a partition, or MQBUS_ANY: by the key, or without a
 *	key one partition for the whole call: the next one in the next call, or that in
 *	which the polled endpoint was refused, when poll() wakes it because there is room.
 *	Each endpoint begins with the next partition, too
 * @schema: stored with the record
 * @flags: must be 0
 * @__reserved: must be 0
 *
 * The memory must not change during the call. A per-CPU topic takes no
 * partition (ECHRNG).
 */
struct mqbus_msg {
	__aligned_u64 value;
	__aligned_u64 key;
	__aligned_u64 routing_key;
	__aligned_u64 headers;
	__u32 value_len;
	__u32 headers_len;
	__u16 key_len;
	__u16 routing_key_len;
	__u32 partition;
	__u32 schema;
	__u32 flags;
	__u64 __reserved;
};

/**
 * struct mqbus_place - where a record was stored
 * @partition: the partition; MQBUS_ANY: it was a duplicate, and not stored
 * @__reserved: 0
 * @offset: the offset in it
 */
struct mqbus_place {
	__u32 partition;
	__u32 __reserved;
	__u64 offset;
};

/**
 * struct mqbus_publish - ioctl(MQBUS_IOC_PUBLISH)
 * @flags: must be 0
 * @count: number of elements at @msgs, at most %MQBUS_BATCH_MAX
 * @msgs: address of &struct mqbus_msg elements
 * @msg_size: bytes of one element of @msgs
 * @place_size: bytes of one element of @places
 * @places: address of @count &struct mqbus_place elements to fill, or 0
 * @timeout: ns to wait for space in a topic of %MQBUS_FULL_BLOCK, for rates and for shares
 * @published: out: how many were stored, from the first on; duplicates count as stored
 * @error: out: why the next one was not stored (a positive errno), or 0
 * @seq: sequence number of the first; the others follow; 0: next after the producer's last
 * @duplicates: out: how many of @published were not stored because their sequence number
 *	was not above the producer's last: they had been stored before
 * @__reserved: must be 0
 *
 * Records are stored in the order given, each wholly or not at all. On a topic of
 * %MQBUS_FULL_EVICT no record is evicted for one that is not stored: memory, headers, rates
 * and sequence numbers are checked before. The call fails with an errno only if none was
 * stored; otherwise it returns @published and @error.
 * Errors: EAGAIN, ETIMEDOUT, EINTR, ENOBUFS, EXFULL, EUSERS, EMSGSIZE, ECHRNG,
 * EINVAL (@seq without a name), EFAULT, EIDRM, ENOLINK, EPROTO (@seq leaves a gap), ERANGE
 * (@count), EBADFD, ENOMEM.
 */
struct mqbus_publish {
	__u32 flags;
	__u32 count;
	__aligned_u64 msgs;
	__u32 msg_size;
	__u32 place_size;
	__aligned_u64 places;
	__u64 timeout;
	__u32 published;
	__u32 error;
	__u64 seq;
	__u32 duplicates;
	__u32 __reserved;
};

/**
 * struct mqbus_range - records of one partition, to be read in its mapping
 * @partition: the partition
 * @flags: bits of MQBUS_RANGE_F_*
 * @begin: position of the first record
 * @end: position behind the last record
 * @begin_offset: offset of the first record
 * @end_offset: offset behind the last record
 * @lost: records evicted before @begin since the last range, which this group
 *	will not see
 * @generation: counts the owners of partitions of this group: if it changed, another
 *	member owned the partition meanwhile
 * @__reserved: 0
 */
struct mqbus_range {
	__u32 partition;
	__u32 flags;
	__u64 begin;
	__u64 end;
	__u64 begin_offset;
	__u64 end_offset;
	__u64 lost;
	__u32 generation;
	__u32 __reserved;
};

/*
 * The partition is revoked for another member. The range is empty and reported once: finish
 * and commit the fetched records, or release the partition with %MQBUS_COMMIT_F_RELEASE.
 */
#define MQBUS_RANGE_F_REVOKED	(1U << 0)

/**
 * struct mqbus_fetch - ioctl(MQBUS_IOC_FETCH)
 * @flags: bits of MQBUS_FETCH_F_*
 * @nr_ranges: in: room at @ranges (at most %MQBUS_FETCH_MAX are filled);
 *	out: ranges filled, at least 1
 * @ranges: address of &struct mqbus_range elements
 * @range_size: bytes of one element of @ranges
 * @__reserved: must be 0
 * @timeout: ns to wait for records, or, of a member that stands by, for
 *	partitions
 *
 * Hands out the records published since the last fetch. Records fetched and not
 * committed are handed out again to the member that takes over. A fenced member
 * is admitted again; with %MQBUS_FETCH_F_COMMIT the call fails once with ENOLINK then,
 * because it could not commit. Errors: EAGAIN, ETIMEDOUT, EINTR, EFAULT (nothing is
 * handed out then), EIDRM, ENOLINK, EBADFD.
 *
 * Threads may share a member. If a call cannot return its records (EFAULT, or EMSGSIZE
 * of read()), they are handed out again, and so are later records of the same partition
 * that another thread fetched meanwhile, since a partition is handed out in order: rather
 * twice than never. Until then a commit of the later records fails with ERANGE.
 */
struct mqbus_fetch {
	__u32 flags;
	__u32 nr_ranges;
	__aligned_u64 ranges;
	__u32 range_size;
	__u32 __reserved;
	__u64 timeout;
};

/*
 * First commit all records that this member has fetched, even those of another thread's
 * call that has not returned yet. They count as settled even if that call
 * fails, so threads that share a member should commit by offset.
 */
#define MQBUS_FETCH_F_COMMIT	(1U << 0)
#define __MQBUS_FETCH_F_ALL	MQBUS_FETCH_F_COMMIT

/**
 * struct mqbus_commit_entry - progress in one partition
 * @partition: the partition
 * @error: out: 0, or why it failed (a positive errno)
 * @offset: the offset to be read next: that of the last record done, plus 1
 * @generation: that of the records' range: ESTALE or ENOLINK if the
 *	partition has changed owners since, even if it came back; 0: any
 * @__reserved: must be 0
 */
struct mqbus_commit_entry {
	__u32 partition;
	__u32 error;
	__u64 offset;
	__u32 generation;
	__u32 __reserved;
};

/**
 * struct mqbus_commit - ioctl(MQBUS_IOC_COMMIT)
 * @flags: bits of MQBUS_COMMIT_F_*
 * @nr_entries: number of elements at @entries, at most %MQBUS_PARTITIONS_MAX
 * @entries: address of &struct mqbus_commit_entry elements
 * @entry_size: bytes of one element of @entries
 * @committed: out: entries that succeeded
 *
 * Each entry succeeds or fails by itself, and its @error is written. An offset below the
 * committed or above the fetched one is ERANGE; a partition that is not this member's is
 * ESTALE, or ENOLINK if the member lost it by fencing (without a @generation: if no other
 * member lost it so since), even after it was admitted again. The call fails with
 * the errno of the first failed entry if none succeeded. It stops at an entry that cannot be
 * read or written; @committed counts those done.
 */
struct mqbus_commit {
	__u32 flags;
	__u32 nr_entries;
	__aligned_u64 entries;
	__u32 entry_size;
	__u32 committed;
};

/* Commit all fetched records, as %MQBUS_FETCH_F_COMMIT; @nr_entries must be 0 */
#define MQBUS_COMMIT_F_FETCHED	(1U << 0)
/*
 * Then release the revoked partitions; their new owners get the records that were fetched
 * and not committed again. With this alone @nr_entries may be 0.
 */
#define MQBUS_COMMIT_F_RELEASE	(1U << 1)
#define __MQBUS_COMMIT_F_ALL	(MQBUS_COMMIT_F_FETCHED | MQBUS_COMMIT_F_RELEASE)

/**
 * struct mqbus_leased - a record handed out under a lease
 * @lease: number of the lease, for &struct mqbus_settle
 * @pos: position of the record in the mapping of @ring
 * @offset: its offset in @partition
 * @partition: the partition that it was published to
 * @ring: the ring that holds it: @partition, or %MQBUS_RETRY if it failed before
 * @attempt: 1 for the first; only failures increase it
 * @__reserved: 0
 *
 * The record stays where it is until the lease ends.
 */
struct mqbus_leased {
	__u64 lease;
	__u64 pos;
	__u64 offset;
	__u32 partition;
	__u32 ring;
	__u32 attempt;
	__u32 __reserved;
};

/**
 * enum mqbus_settlement - how to settle a leased record
 * @MQBUS_ACK: done
 * @MQBUS_NACK: failed: retry after @delay or the group's backoff
 * @MQBUS_RELEASE: not tried: hand it out again, at once or after @delay
 * @MQBUS_REJECT: make it a dead letter now
 * @MQBUS_EXTEND: extend the lease to @delay, or the group's lease time, from now. If neither
 *	is a time, a lease without end stays so; one with an end keeps it (EINVAL)
 */
enum mqbus_settlement {
	MQBUS_ACK,
	MQBUS_NACK,
	MQBUS_RELEASE,
	MQBUS_REJECT,
	MQBUS_EXTEND,
};

/**
 * struct mqbus_settle - the settlement of one lease
 * @lease: its number
 * @what: an &enum mqbus_settlement
 * @error: in: must be 0; out: why it failed (a positive errno); not written on success
 * @delay: ns; 0: the group's; must be 0 for ACK and REJECT
 *
 * Each succeeds or fails by itself. Errors: ENOENT (no such lease was given), EPERM
 * (another member has it), EALREADY (settled already), ETIMEDOUT (it expired, and the
 * record was not handed out since), ESTALE (it ended, and the record was handed out again),
 * EINVAL, ERANGE (@delay), EOPNOTSUPP (@what).
 */
struct mqbus_settle {
	__u64 lease;
	__u32 what;
	__u32 error;
	__u64 delay;
};

/**
 * struct mqbus_lease - ioctl(MQBUS_IOC_LEASE)
 * @flags: bits of MQBUS_LEASE_F_*
 * @nr_settles: number of elements at @settles, at most %MQBUS_LEASE_MAX
 * @settles: address of &struct mqbus_settle elements
 * @settle_size: bytes of one element of @settles
 * @lease_size: bytes of one element of @leases
 * @leases: address of &struct mqbus_leased elements
 * @nr_leases: in: room at @leases, at most %MQBUS_LEASE_MAX; 0: only settle; out:
 *	records leased
 * @settled: out: settlements that succeeded
 * @timeout: ns to wait for a record
 * @time: ns of these leases; 0: the group's lease time
 * @error: out: why no record was leased (a positive errno), or 0
 * @__reserved: must be 0
 *
 * Settles @settles, then leases the next records, as many as there are but at
 * least one. With settlements the call succeeds, and @error is the result of
 * leasing; without, it fails with that errno: EAGAIN, ETIMEDOUT, EINTR, EIDRM,
 * EFAULT (leases that cannot be returned count as released), E2BIG (an element
 * of @settles; those before it are settled). It
 * also fails with the errno of the first settlement if none succeeded and @nr_leases
 * is 0. EBADFD: not a member of a queue group.
 */
struct mqbus_lease {
	__u32 flags;
	__u32 nr_settles;
	__aligned_u64 settles;
	__u32 settle_size;
	__u32 lease_size;
	__aligned_u64 leases;
	__u32 nr_leases;
	__u32 settled;
	__u64 timeout;
	__u64 time;
	__u32 error;
	__u32 __reserved;
};

/*
 * After @settles and before leasing, ack all records that this member holds, even those of
 * another thread's call that has not returned yet, as %MQBUS_FETCH_F_COMMIT
 */
#define MQBUS_LEASE_F_ACK	(1U << 0)
/* After @settles and before leasing, release all records that this member holds */
#define MQBUS_LEASE_F_RELEASE	(1U << 1)
#define __MQBUS_LEASE_F_ALL	(MQBUS_LEASE_F_ACK | MQBUS_LEASE_F_RELEASE)

/**
 * enum mqbus_act_kind - what one act of a transaction does
 * @MQBUS_ACT_PUBLISH: publish &struct mqbus_msg elements to a producer's topic
 * @MQBUS_ACT_COMMIT: commit &struct mqbus_commit_entry elements of a stream group's member
 * @MQBUS_ACT_SETTLE: settle &struct mqbus_settle elements of a queue group's member: ACK,
 *	REJECT, or RELEASE without a delay (else EOPNOTSUPP)
 */
enum mqbus_act_kind {
	MQBUS_ACT_PUBLISH,
	MQBUS_ACT_COMMIT,
	MQBUS_ACT_SETTLE,
};

/**
 * struct mqbus_act - one act of a transaction
 * @fd: an endpoint that the caller has open: a producer or a member
 * @kind: an &enum mqbus_act_kind
 * @elements: address of the elements
 * @count: number of elements, at least 1
 * @size: bytes of one element
 * @places: PUBLISH: address of @count &struct mqbus_place elements to fill, or 0
 * @seq: PUBLISH: as @seq of &struct mqbus_publish
 * @place_size: bytes of one element of @places
 * @flags: must be 0
 *
 * The @error of commit entries and settlements must be 0, and stays so.
 */
struct mqbus_act {
	__s32 fd;
	__u32 kind;
	__aligned_u64 elements;
	__u32 count;
	__u32 size;
	__aligned_u64 places;
	__u64 seq;
	__u32 place_size;
	__u32 flags;
};

/**
 * struct mqbus_transact - ioctl(MQBUS_IOC_TRANSACT)
 * @flags: must be 0
 * @count: number of elements at @acts, 1 to %MQBUS_ACTS_MAX
 * @acts: address of &struct mqbus_act elements
 * @act_size: bytes of one element of @acts
 * @__reserved: must be 0
 * @timeout: ns to wait for space in topics of %MQBUS_FULL_BLOCK, for rates and for shares
 * @failed_act: out, also when the call fails: index of the act that failed
 * @failed_element: out, likewise: index of the element in it, or MQBUS_ANY
 * @duplicates: out: records that were not stored because they had been before
 * @__reserved2: must be 0
 *
 * All acts happen or none, for every reader, even if the caller is killed at any moment:
 * each record of the transaction becomes visible together with all others, and its inputs
 * are settled only if its results are published. The call works on any endpoint, with
 * topics in any order. While it waits for space it holds nothing. Space that its own
 * settlements would free does not count, so leave room in a topic that it both reads and
 * publishes to. It waits for one thing after the other, and fails at once when the topic of
 * any act is deleted, or its producer fenced. On topics of %MQBUS_FULL_EVICT records are
 * evicted only once nothing else can fail.
 *
 * An endpoint may be named once (EINVAL), with all its elements in one act, and so may a
 * lease (EALREADY) and a partition to commit (ERANGE). Together at most
 * %MQBUS_TRANSACT_MAX elements (ERANGE), records for %MQBUS_TRANSACT_PARTITIONS
 * partitions, of %MQBUS_TRANSACT_BYTES, and in each partition of half its ring
 * (EMSGSIZE). Several records of one uid in a partition must not exceed its share, nor
 * several in a topic what each of its rates saves up (EMSGSIZE); a single one may, see
 * &struct mqbus_topic_create. Errors: those of %MQBUS_IOC_PUBLISH, of the entries of
 * %MQBUS_IOC_COMMIT and of &struct mqbus_settle, for the first element that
 * fails; EBADF, EBADFD (@fd is not what @kind needs), ERANGE, E2BIG, EFAULT (also for a
 * bad @places).
 */
struct mqbus_transact {
	__u32 flags;
	__u32 count;
	__aligned_u64 acts;
	__u32 act_size;
	__u32 __reserved;
	__u64 timeout;
	__u32 failed_act;
	__u32 failed_element;
	__u32 duplicates;
	__u32 __reserved2;
};

/**
 * struct mqbus_wait - ioctl(MQBUS_IOC_WAIT)
 * @flags: must be 0
 * @count: number of elements at @places, at most %MQBUS_BATCH_MAX; 0: all records
 *	published when the call begins; @places and @place_size must be 0 then
 * @places: address of &struct mqbus_place elements
 * @place_size: bytes of one element of @places
 * @__reserved: must be 0
 * @timeout: ns to wait
 * @topic: the topic's name; needs r or w on it
 * @group: the group's name; needs r on it
 *
 * Waits until the group has settled all records up to these places in their partitions:
 * committed, acked, or given up. A record that waits for another attempt is not settled; a
 * record of an at-most-once group is settled when its space is free. Places of duplicates
 * (MQBUS_ANY) count as settled. If the group is a durable archive or
 * a bridge, this is Kafka's acks=all. With @count 0 a signal ends the wait with EINTR, even
 * with SA_RESTART: a restarted call would wait for more.
 * Errors: EAGAIN, ETIMEDOUT, EINTR, ENOENT, EACCES, EIDRM, ECHRNG, ERANGE (@count, or
 * an offset that is not published yet), EFAULT.
 */
struct mqbus_wait {
	__u32 flags;
	__u32 count;
	__aligned_u64 places;
	__u32 place_size;
	__u32 __reserved;
	__u64 timeout;
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
};

/**
 * enum mqbus_why - what a producer's records were refused for
 * @MQBUS_WHY_NONE: nothing yet, or it is no producer
 * @MQBUS_WHY_FULL: groups need the records of the partition, or there is no group that settles them
 * @MQBUS_WHY_RATE: a rate
 * @MQBUS_WHY_SHARE: its user's records have their share of the partition
 * @MQBUS_WHY_TURN: there is room now, but for producers that came before
 */
enum mqbus_why {
	MQBUS_WHY_NONE,
	MQBUS_WHY_FULL,
	MQBUS_WHY_RATE,
	MQBUS_WHY_SHARE,
	MQBUS_WHY_TURN,
};

/**
 * struct mqbus_geometry - ioctl(MQBUS_IOC_GEOMETRY)
 * @flags: must be 0
 * @partition: in: a partition, or, of a member of a queue group, %MQBUS_RETRY
 * @map_offset: out: offset to mmap() the partition at
 * @map_len: out: length to mmap(), exactly
 * @data_offset: out: byte of the mapping at which the ring's data begins;
 *	&struct mqbus_ring_page is at byte 0
 * @size: out: bytes of the ring; it is mapped twice in a row
 * @partitions: out: number of partitions of the topic
 * @full: out: the topic's &enum mqbus_full; %MQBUS_FULL_EVICT for a member of an observer
 * @max_record: out: bytes of the parts of a record together, at most
 * @why: out: an &enum mqbus_why: what the producer's last call that was refused, or that waits
 *	now, was refused for
 *
 * For a bound endpoint. Only a member may map, MAP_SHARED and PROT_READ.
 */
struct mqbus_geometry {
	__u32 flags;
	__u32 partition;
	__u64 map_offset;
	__u64 map_len;
	__u64 data_offset;
	__u64 size;
	__u32 partitions;
	__u32 full;
	__u32 max_record;
	__u32 why;
};

/*
 * write() and writev() publish one record with that value, without a key;
 * read() takes the next record's value and commits (in a queue group: acks) the
 * record of the previous read(). If the member was fenced meanwhile, it fails once with
 * ENOLINK and takes nothing; in a queue group it fails likewise with ETIMEDOUT or ESTALE,
 * as a settlement would, if the lease has ended and the group is not at-most-once.
 * Both wait without limit unless O_NONBLOCK is
 * set. A write() of 0 bytes stores an empty record.
 *
 * poll(): a producer is writable unless its last call met a full partition
 * that still has no room for that record, or where other producers' turns come first, or
 * a rate or a share that is still used up; EPOLLERR: it was fenced. A call that stores
 * a record makes it writable, whatever an earlier call met. With EPOLLET there is one
 * event after each refusal. A member is readable when it has records to fetch. EPOLLPRI:
 * a partition of a member of a stream group is revoked, until a fetch has reported it, the
 * member has released it, or was fenced. A deleted topic or group, and a member whose id
 * joined again, is EPOLLHUP. A record wakes the owner of its partition, and in each queue
 * group one member that waits in a call; with EPOLLEXCLUSIVE one of those that wait for
 * the same member, or in the same queue group.
 * Bind an endpoint before it is added to an epoll set: an unbound one is EPOLLERR and
 * is never woken.
 *
 * The calls that create, delete, seek and set take names and work on any endpoint.
 */

#define MQBUS_IOC_MAGIC		0xE9
#define MQBUS_IOC_INFO		_IOWR(MQBUS_IOC_MAGIC, 0x00, struct mqbus_info)
#define MQBUS_IOC_TOPIC_CREATE	_IOWR(MQBUS_IOC_MAGIC, 0x01, struct mqbus_topic_create)
#define MQBUS_IOC_TOPIC_DELETE	_IOWR(MQBUS_IOC_MAGIC, 0x02, struct mqbus_topic_delete)
#define MQBUS_IOC_GROUP_CREATE	_IOWR(MQBUS_IOC_MAGIC, 0x03, struct mqbus_group_create)
#define MQBUS_IOC_GROUP_DELETE	_IOWR(MQBUS_IOC_MAGIC, 0x04, struct mqbus_group_delete)
#define MQBUS_IOC_GROUP_SEEK	_IOWR(MQBUS_IOC_MAGIC, 0x05, struct mqbus_group_seek)
#define MQBUS_IOC_PRODUCE	_IOWR(MQBUS_IOC_MAGIC, 0x06, struct mqbus_produce)
#define MQBUS_IOC_JOIN		_IOWR(MQBUS_IOC_MAGIC, 0x07, struct mqbus_join)
#define MQBUS_IOC_PUBLISH	_IOWR(MQBUS_IOC_MAGIC, 0x08, struct mqbus_publish)
#define MQBUS_IOC_FETCH		_IOWR(MQBUS_IOC_MAGIC, 0x09, struct mqbus_fetch)
#define MQBUS_IOC_COMMIT	_IOWR(MQBUS_IOC_MAGIC, 0x0a, struct mqbus_commit)
#define MQBUS_IOC_GEOMETRY	_IOWR(MQBUS_IOC_MAGIC, 0x0b, struct mqbus_geometry)
#define MQBUS_IOC_GROUP_SET	_IOWR(MQBUS_IOC_MAGIC, 0x0c, struct mqbus_group_set)
#define MQBUS_IOC_LEASE		_IOWR(MQBUS_IOC_MAGIC, 0x0d, struct mqbus_lease)
#define MQBUS_IOC_TRANSACT	_IOWR(MQBUS_IOC_MAGIC, 0x0e, struct mqbus_transact)
#define MQBUS_IOC_WAIT		_IOWR(MQBUS_IOC_MAGIC, 0x0f, struct mqbus_wait)
#define MQBUS_IOC_ENTER		_IOWR(MQBUS_IOC_MAGIC, 0x10, struct mqbus_enter)

#endif /* _UAPI_LINUX_MQBUS_H */
