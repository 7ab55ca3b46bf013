// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of what crosses the border between kernel and user: sizes,
 * offsets and ioctl numbers, the same for 32 and 64 bits. Compiled, never run.
 * A line that fails to compile is a change that breaks existing programs.
 */
#include <stddef.h>
#include <linux/mqbus.h>

#define SIZE(type, n) \
	_Static_assert(sizeof(struct type) == (n), "size of " #type)
#define OFFSET(type, member, n) \
	_Static_assert(offsetof(struct type, member) == (n), #type "." #member)
#define NUMBER(name, n) \
	_Static_assert((name) == (n), #name)

SIZE(mqbus_record, 64);
OFFSET(mqbus_record, size, 0);
OFFSET(mqbus_record, flags, 4);
OFFSET(mqbus_record, offset, 8);
OFFSET(mqbus_record, time, 16);
OFFSET(mqbus_record, producer, 24);
OFFSET(mqbus_record, seq, 32);
OFFSET(mqbus_record, value_len, 40);
OFFSET(mqbus_record, headers_len, 44);
OFFSET(mqbus_record, key_len, 48);
OFFSET(mqbus_record, routing_key_len, 50);
OFFSET(mqbus_record, schema, 52);
OFFSET(mqbus_record, epoch, 56);
OFFSET(mqbus_record, __owner, 60);

SIZE(mqbus_header, 4);
OFFSET(mqbus_header, name_len, 0);
OFFSET(mqbus_header, value_len, 2);

SIZE(mqbus_ring_page, 144);
OFFSET(mqbus_ring_page, tail, 0);
OFFSET(mqbus_ring_page, next_offset, 8);
OFFSET(mqbus_ring_page, next_begun, 16);
OFFSET(mqbus_ring_page, __pad0, 24);
OFFSET(mqbus_ring_page, head, 64);
OFFSET(mqbus_ring_page, head_offset, 72);
OFFSET(mqbus_ring_page, head_begun, 80);
OFFSET(mqbus_ring_page, __pad1, 88);
OFFSET(mqbus_ring_page, size, 128);
OFFSET(mqbus_ring_page, partition, 136);
OFFSET(mqbus_ring_page, __pad2, 140);

SIZE(mqbus_info, 80);
OFFSET(mqbus_info, flags, 0);
OFFSET(mqbus_info, record_header, 4);
OFFSET(mqbus_info, features, 8);
OFFSET(mqbus_info, max_bytes, 16);
OFFSET(mqbus_info, used_bytes, 24);
OFFSET(mqbus_info, max_user_bytes, 32);
OFFSET(mqbus_info, max_topics, 40);
OFFSET(mqbus_info, max_groups, 44);
OFFSET(mqbus_info, page_size, 48);
OFFSET(mqbus_info, cpus, 52);
OFFSET(mqbus_info, used_user_bytes, 56);
OFFSET(mqbus_info, max_machine_bytes, 64);
OFFSET(mqbus_info, used_machine_bytes, 72);

SIZE(mqbus_topic_create, 232);
OFFSET(mqbus_topic_create, flags, 0);
OFFSET(mqbus_topic_create, partitions, 4);
OFFSET(mqbus_topic_create, size, 8);
OFFSET(mqbus_topic_create, retention, 16);
OFFSET(mqbus_topic_create, max_record, 24);
OFFSET(mqbus_topic_create, full, 28);
OFFSET(mqbus_topic_create, mode, 32);
OFFSET(mqbus_topic_create, uid, 36);
OFFSET(mqbus_topic_create, gid, 40);
OFFSET(mqbus_topic_create, fields, 44);
OFFSET(mqbus_topic_create, name, 48);
OFFSET(mqbus_topic_create, retention_size, 176);
OFFSET(mqbus_topic_create, rate, 184);
OFFSET(mqbus_topic_create, rate_bytes, 192);
OFFSET(mqbus_topic_create, user_rate, 200);
OFFSET(mqbus_topic_create, user_rate_bytes, 208);
OFFSET(mqbus_topic_create, burst, 216);
OFFSET(mqbus_topic_create, share, 224);
OFFSET(mqbus_topic_create, over, 228);

SIZE(mqbus_topic_delete, 136);
OFFSET(mqbus_topic_delete, flags, 0);
OFFSET(mqbus_topic_delete, __reserved, 4);
OFFSET(mqbus_topic_delete, name, 8);

SIZE(mqbus_queue_options, 192);
OFFSET(mqbus_queue_options, flags, 0);
OFFSET(mqbus_queue_options, max_inflight, 4);
OFFSET(mqbus_queue_options, credit, 8);
OFFSET(mqbus_queue_options, max_attempts, 12);
OFFSET(mqbus_queue_options, lease, 16);
OFFSET(mqbus_queue_options, backoff_min, 24);
OFFSET(mqbus_queue_options, backoff_max, 32);
OFFSET(mqbus_queue_options, backoff_factor, 40);
OFFSET(mqbus_queue_options, backoff_jitter, 44);
OFFSET(mqbus_queue_options, retry_size, 48);
OFFSET(mqbus_queue_options, __reserved, 56);
OFFSET(mqbus_queue_options, dlq, 64);

SIZE(mqbus_stream_options, 24);
OFFSET(mqbus_stream_options, rebalance_timeout, 0);
OFFSET(mqbus_stream_options, grace, 8);
OFFSET(mqbus_stream_options, __reserved, 16);

SIZE(mqbus_group_create, 504);
OFFSET(mqbus_group_create, flags, 0);
OFFSET(mqbus_group_create, type, 4);
OFFSET(mqbus_group_create, whence, 8);
OFFSET(mqbus_group_create, mode, 12);
OFFSET(mqbus_group_create, value, 16);
OFFSET(mqbus_group_create, topic, 24);
OFFSET(mqbus_group_create, group, 152);
OFFSET(mqbus_group_create, queue, 280);
OFFSET(mqbus_group_create, stream, 472);
OFFSET(mqbus_group_create, expire, 496);

SIZE(mqbus_group_set, 520);
OFFSET(mqbus_group_set, flags, 0);
OFFSET(mqbus_group_set, fields, 4);
OFFSET(mqbus_group_set, topic, 8);
OFFSET(mqbus_group_set, group, 136);
OFFSET(mqbus_group_set, queue, 264);
OFFSET(mqbus_group_set, stream, 456);
OFFSET(mqbus_group_set, paused, 480);
OFFSET(mqbus_group_set, __reserved, 484);
OFFSET(mqbus_group_set, lag_threshold, 488);
OFFSET(mqbus_group_set, mode, 496);
OFFSET(mqbus_group_set, uid, 500);
OFFSET(mqbus_group_set, gid, 504);
OFFSET(mqbus_group_set, __reserved2, 508);
OFFSET(mqbus_group_set, expire, 512);

SIZE(mqbus_group_delete, 264);
OFFSET(mqbus_group_delete, flags, 0);
OFFSET(mqbus_group_delete, __reserved, 4);
OFFSET(mqbus_group_delete, topic, 8);
OFFSET(mqbus_group_delete, group, 136);

SIZE(mqbus_seek_result, 32);
OFFSET(mqbus_seek_result, partition, 0);
OFFSET(mqbus_seek_result, __reserved, 4);
OFFSET(mqbus_seek_result, old_offset, 8);
OFFSET(mqbus_seek_result, new_offset, 16);
OFFSET(mqbus_seek_result, end_offset, 24);

SIZE(mqbus_group_seek, 296);
OFFSET(mqbus_group_seek, flags, 0);
OFFSET(mqbus_group_seek, whence, 4);
OFFSET(mqbus_group_seek, partition, 8);
OFFSET(mqbus_group_seek, result_size, 12);
OFFSET(mqbus_group_seek, value, 16);
OFFSET(mqbus_group_seek, results, 24);
OFFSET(mqbus_group_seek, nr_results, 32);
OFFSET(mqbus_group_seek, __reserved, 36);
OFFSET(mqbus_group_seek, topic, 40);
OFFSET(mqbus_group_seek, group, 168);

SIZE(mqbus_produce, 288);
OFFSET(mqbus_produce, flags, 0);
OFFSET(mqbus_produce, __reserved, 4);
OFFSET(mqbus_produce, producer, 8);
OFFSET(mqbus_produce, topic, 16);
OFFSET(mqbus_produce, name, 144);
OFFSET(mqbus_produce, last_seq, 272);
OFFSET(mqbus_produce, epoch, 280);
OFFSET(mqbus_produce, __reserved2, 284);

SIZE(mqbus_join, 392);
OFFSET(mqbus_join, flags, 0);
OFFSET(mqbus_join, __reserved, 4);
OFFSET(mqbus_join, topic, 8);
OFFSET(mqbus_join, group, 136);
OFFSET(mqbus_join, member, 264);

SIZE(mqbus_msg, 64);
OFFSET(mqbus_msg, value, 0);
OFFSET(mqbus_msg, key, 8);
OFFSET(mqbus_msg, routing_key, 16);
OFFSET(mqbus_msg, headers, 24);
OFFSET(mqbus_msg, value_len, 32);
OFFSET(mqbus_msg, headers_len, 36);
OFFSET(mqbus_msg, key_len, 40);
OFFSET(mqbus_msg, routing_key_len, 42);
OFFSET(mqbus_msg, partition, 44);
OFFSET(mqbus_msg, schema, 48);
OFFSET(mqbus_msg, flags, 52);
OFFSET(mqbus_msg, __reserved, 56);

SIZE(mqbus_place, 16);
OFFSET(mqbus_place, partition, 0);
OFFSET(mqbus_place, __reserved, 4);
OFFSET(mqbus_place, offset, 8);

SIZE(mqbus_publish, 64);
OFFSET(mqbus_publish, flags, 0);
OFFSET(mqbus_publish, count, 4);
OFFSET(mqbus_publish, msgs, 8);
OFFSET(mqbus_publish, msg_size, 16);
OFFSET(mqbus_publish, place_size, 20);
OFFSET(mqbus_publish, places, 24);
OFFSET(mqbus_publish, timeout, 32);
OFFSET(mqbus_publish, published, 40);
OFFSET(mqbus_publish, error, 44);
OFFSET(mqbus_publish, seq, 48);
OFFSET(mqbus_publish, duplicates, 56);
OFFSET(mqbus_publish, __reserved, 60);

SIZE(mqbus_range, 56);
OFFSET(mqbus_range, partition, 0);
OFFSET(mqbus_range, flags, 4);
OFFSET(mqbus_range, begin, 8);
OFFSET(mqbus_range, end, 16);
OFFSET(mqbus_range, begin_offset, 24);
OFFSET(mqbus_range, end_offset, 32);
OFFSET(mqbus_range, lost, 40);
OFFSET(mqbus_range, generation, 48);
OFFSET(mqbus_range, __reserved, 52);

SIZE(mqbus_fetch, 32);
OFFSET(mqbus_fetch, flags, 0);
OFFSET(mqbus_fetch, nr_ranges, 4);
OFFSET(mqbus_fetch, ranges, 8);
OFFSET(mqbus_fetch, range_size, 16);
OFFSET(mqbus_fetch, __reserved, 20);
OFFSET(mqbus_fetch, timeout, 24);

SIZE(mqbus_commit_entry, 24);
OFFSET(mqbus_commit_entry, partition, 0);
OFFSET(mqbus_commit_entry, error, 4);
OFFSET(mqbus_commit_entry, offset, 8);
OFFSET(mqbus_commit_entry, generation, 16);
OFFSET(mqbus_commit_entry, __reserved, 20);

SIZE(mqbus_commit, 24);
OFFSET(mqbus_commit, flags, 0);
OFFSET(mqbus_commit, nr_entries, 4);
OFFSET(mqbus_commit, entries, 8);
OFFSET(mqbus_commit, entry_size, 16);
OFFSET(mqbus_commit, committed, 20);

SIZE(mqbus_leased, 40);
OFFSET(mqbus_leased, lease, 0);
OFFSET(mqbus_leased, pos, 8);
OFFSET(mqbus_leased, offset, 16);
OFFSET(mqbus_leased, partition, 24);
OFFSET(mqbus_leased, ring, 28);
OFFSET(mqbus_leased, attempt, 32);
OFFSET(mqbus_leased, __reserved, 36);

SIZE(mqbus_settle, 24);
OFFSET(mqbus_settle, lease, 0);
OFFSET(mqbus_settle, what, 8);
OFFSET(mqbus_settle, error, 12);
OFFSET(mqbus_settle, delay, 16);

SIZE(mqbus_lease, 64);
OFFSET(mqbus_lease, flags, 0);
OFFSET(mqbus_lease, nr_settles, 4);
OFFSET(mqbus_lease, settles, 8);
OFFSET(mqbus_lease, settle_size, 16);
OFFSET(mqbus_lease, lease_size, 20);
OFFSET(mqbus_lease, leases, 24);
OFFSET(mqbus_lease, nr_leases, 32);
OFFSET(mqbus_lease, settled, 36);
OFFSET(mqbus_lease, timeout, 40);
OFFSET(mqbus_lease, time, 48);
OFFSET(mqbus_lease, error, 56);
OFFSET(mqbus_lease, __reserved, 60);

SIZE(mqbus_act, 48);
OFFSET(mqbus_act, fd, 0);
OFFSET(mqbus_act, kind, 4);
OFFSET(mqbus_act, elements, 8);
OFFSET(mqbus_act, count, 16);
OFFSET(mqbus_act, size, 20);
OFFSET(mqbus_act, places, 24);
OFFSET(mqbus_act, seq, 32);
OFFSET(mqbus_act, place_size, 40);
OFFSET(mqbus_act, flags, 44);

SIZE(mqbus_transact, 48);
OFFSET(mqbus_transact, flags, 0);
OFFSET(mqbus_transact, count, 4);
OFFSET(mqbus_transact, acts, 8);
OFFSET(mqbus_transact, act_size, 16);
OFFSET(mqbus_transact, __reserved, 20);
OFFSET(mqbus_transact, timeout, 24);
OFFSET(mqbus_transact, failed_act, 32);
OFFSET(mqbus_transact, failed_element, 36);
OFFSET(mqbus_transact, duplicates, 40);
OFFSET(mqbus_transact, __reserved2, 44);

SIZE(mqbus_wait, 288);
OFFSET(mqbus_wait, flags, 0);
OFFSET(mqbus_wait, count, 4);
OFFSET(mqbus_wait, places, 8);
OFFSET(mqbus_wait, place_size, 16);
OFFSET(mqbus_wait, __reserved, 20);
OFFSET(mqbus_wait, timeout, 24);
OFFSET(mqbus_wait, topic, 32);
OFFSET(mqbus_wait, group, 160);

SIZE(mqbus_geometry, 56);
OFFSET(mqbus_geometry, flags, 0);
OFFSET(mqbus_geometry, partition, 4);
OFFSET(mqbus_geometry, map_offset, 8);
OFFSET(mqbus_geometry, map_len, 16);
OFFSET(mqbus_geometry, data_offset, 24);
OFFSET(mqbus_geometry, size, 32);
OFFSET(mqbus_geometry, partitions, 40);
OFFSET(mqbus_geometry, full, 44);
OFFSET(mqbus_geometry, max_record, 48);
OFFSET(mqbus_geometry, why, 52);

SIZE(mqbus_enter, 8);
OFFSET(mqbus_enter, flags, 0);
OFFSET(mqbus_enter, netns, 4);

NUMBER(MQBUS_IOC_INFO, 0xc050e900);
NUMBER(MQBUS_IOC_TOPIC_CREATE, 0xc0e8e901);
NUMBER(MQBUS_IOC_TOPIC_DELETE, 0xc088e902);
NUMBER(MQBUS_IOC_GROUP_CREATE, 0xc1f8e903);
NUMBER(MQBUS_IOC_GROUP_DELETE, 0xc108e904);
NUMBER(MQBUS_IOC_GROUP_SEEK, 0xc128e905);
NUMBER(MQBUS_IOC_PRODUCE, 0xc120e906);
NUMBER(MQBUS_IOC_JOIN, 0xc188e907);
NUMBER(MQBUS_IOC_PUBLISH, 0xc040e908);
NUMBER(MQBUS_IOC_FETCH, 0xc020e909);
NUMBER(MQBUS_IOC_COMMIT, 0xc018e90a);
NUMBER(MQBUS_IOC_GEOMETRY, 0xc038e90b);
NUMBER(MQBUS_IOC_GROUP_SET, 0xc208e90c);
NUMBER(MQBUS_IOC_LEASE, 0xc040e90d);
NUMBER(MQBUS_IOC_TRANSACT, 0xc030e90e);
NUMBER(MQBUS_IOC_WAIT, 0xc120e90f);
NUMBER(MQBUS_IOC_ENTER, 0xc008e910);
