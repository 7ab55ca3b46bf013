/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The figures of a queue group, read over netlink with plain sockets: no library is needed,
 * which 32-bit programs may lack.
 */
#ifndef _MQBUS_TEST_FIGURES_H
#define _MQBUS_TEST_FIGURES_H

#include <linux/genetlink.h>
#include <linux/mqbus_netlink.h>
#include <linux/netlink.h>

#include "mqbus_test.h"

struct figures {
	__u64 number[MQBUS_A_QUEUE_MAX + 1];
	bool has[MQBUS_A_QUEUE_MAX + 1];
	char dlq[MQBUS_NAME_SIZE];
	__u64 group[MQBUS_A_GROUP_MAX + 1];	/* of the first partition */
};

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[2 * MQBUS_NAME_SIZE + 64];
};

static void request_begin(struct request *r, __u16 family, __u8 cmd, __u8 version)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = offsetof(struct request, attrs);
	r->head.nlmsg_type = family;
	r->head.nlmsg_flags = NLM_F_REQUEST;
	r->genl.cmd = cmd;
	r->genl.version = version;
}

static void request_add(struct request *r, __u16 type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)r + r->head.nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	r->head.nlmsg_len += NLA_ALIGN(a->nla_len);
}

/* Returns the bytes of the reply or a negative errno. */
static int request_send(int sock, const struct request *r, void *reply, size_t room)
{
	const struct nlmsghdr *head = reply;
	ssize_t n;

	if (send(sock, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(sock, reply, room, 0);
	if (n < 0)
		return -errno;
	if (head->nlmsg_type == NLMSG_ERROR)
		return *(const int *)NLMSG_DATA(head) ?: -EIO;
	return head->nlmsg_len;
}

static const struct nlattr *attr_next(const struct nlattr *a, int *left)
{
	int len = NLA_ALIGN(a->nla_len);

	*left -= len;
	return (const void *)((const char *)a + len);
}

#define for_each_attr(a, from, bytes, left)					\
	for ((left) = (bytes), (a) = (const void *)(from);			\
	     (left) >= NLA_HDRLEN && (a)->nla_len >= NLA_HDRLEN &&		\
	     (a)->nla_len <= (left);						\
	     (a) = attr_next(a, &(left)))

static __u64 attr_number(const struct nlattr *a)
{
	__u64 wide = ~0ULL;
	__u32 narrow;

	if (a->nla_len == NLA_HDRLEN + 8) {
		memcpy(&wide, a + 1, 8);
	} else if (a->nla_len == NLA_HDRLEN + 4) {
		memcpy(&narrow, a + 1, 4);
		wide = narrow;
	}
	return wide;
}

struct family {
	int id;
	__u32 events;	/* The multicast group of its events */
};

static __u32 family_group(const struct nlattr *groups, const char *name)
{
	const struct nlattr *group, *a;
	int left, inner;

	for_each_attr(group, groups + 1, groups->nla_len - NLA_HDRLEN, left) {
		bool ours = false;
		__u32 id = 0;

		for_each_attr(a, group + 1, group->nla_len - NLA_HDRLEN, inner) {
			if (a->nla_type == CTRL_ATTR_MCAST_GRP_NAME)
				ours = !strcmp((const char *)(a + 1), name);
			else if (a->nla_type == CTRL_ATTR_MCAST_GRP_ID)
				id = attr_number(a);
		}
		if (ours)
			return id;
	}
	return 0;
}

static int family_find(int sock, struct family *f)
{
	char reply[4096];
	const struct nlattr *a;
	struct request r;
	int n, left;

	f->id = -ENOENT;
	f->events = 0;
	request_begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	request_add(&r, CTRL_ATTR_FAMILY_NAME, MQBUS_FAMILY_NAME, sizeof(MQBUS_FAMILY_NAME));
	n = request_send(sock, &r, reply, sizeof(reply));
	if (n < 0)
		return n;
	for_each_attr(a, reply + NLMSG_HDRLEN + GENL_HDRLEN, n - NLMSG_HDRLEN - GENL_HDRLEN, left)
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			f->id = *(const __u16 *)(a + 1);
		else if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GROUPS)
			f->events = family_group(a, MQBUS_MCGRP_EVENTS);
	return f->id;
}

static int family_id(int sock)
{
	struct family f;

	return family_find(sock, &f);
}

/* No figure has this value */
#define NO_FIGURE	0xdeadbeefdeadbeefULL

/*
 * The figures of a topic, a partition or a group, by attribute. @second: a group's name, or
 * NULL; @part: sent behind it, or MQBUS_ANY.
 */
static int stats_get(int cmd, const char *topic, const char *second, __u32 part, __u64 *numbers,
		     int max)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	char reply[8192];
	const struct nlattr *a;
	struct request r;
	int n, left, i, err;

	for (i = 0; i <= max; i++)
		numbers[i] = NO_FIGURE;
	err = sock < 0 ? -errno : family_id(sock);
	if (err < 0)
		goto out;
	request_begin(&r, err, cmd, MQBUS_FAMILY_VERSION);
	request_add(&r, 1, topic, strlen(topic) + 1);
	if (second)
		request_add(&r, MQBUS_A_GROUP_NAME, second, strlen(second) + 1);
	if (part != MQBUS_ANY)
		request_add(&r, second ? MQBUS_A_GROUP_PARTITION : MQBUS_A_PARTITION_INDEX,
			    &part, sizeof(part));
	n = request_send(sock, &r, reply, sizeof(reply));
	err = n < 0 ? n : 0;
	if (err)
		goto out;
	for_each_attr(a, reply + NLMSG_HDRLEN + GENL_HDRLEN, n - NLMSG_HDRLEN - GENL_HDRLEN,
		      left)
		if ((a->nla_type & NLA_TYPE_MASK) <= max)
			numbers[a->nla_type & NLA_TYPE_MASK] = attr_number(a);
out:
	if (sock >= 0)
		close(sock);
	return err;
}

static void figures_of_queue(struct figures *f, const struct nlattr *queue)
{
	const struct nlattr *a;
	int left;

	for_each_attr(a, queue + 1, queue->nla_len - NLA_HDRLEN, left) {
		int type = a->nla_type & NLA_TYPE_MASK;

		if (type > MQBUS_A_QUEUE_MAX)
			continue;
		f->has[type] = true;
		if (type == MQBUS_A_QUEUE_DLQ)
			snprintf(f->dlq, sizeof(f->dlq), "%.*s", a->nla_len - NLA_HDRLEN,
				 (const char *)(a + 1));
		else
			f->number[type] = attr_number(a);
	}
}

/* Return: 0, -ENODATA for a stream group, or a negative errno. */
static int figures_get(const char *topic, const char *group, struct figures *f)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	char reply[8192];
	const struct nlattr *a;
	struct request r;
	__u32 partition = 0;
	int n, left, err;

	memset(f, 0, sizeof(*f));
	err = sock < 0 ? -errno : family_id(sock);
	if (err < 0)
		goto out;
	request_begin(&r, err, MQBUS_CMD_GROUP_GET, MQBUS_FAMILY_VERSION);
	request_add(&r, MQBUS_A_GROUP_TOPIC, topic, strlen(topic) + 1);
	request_add(&r, MQBUS_A_GROUP_NAME, group, strlen(group) + 1);
	request_add(&r, MQBUS_A_GROUP_PARTITION, &partition, sizeof(partition));
	n = request_send(sock, &r, reply, sizeof(reply));
	err = n < 0 ? n : -ENODATA;
	if (n < 0)
		goto out;
	for_each_attr(a, reply + NLMSG_HDRLEN + GENL_HDRLEN, n - NLMSG_HDRLEN - GENL_HDRLEN,
		      left) {
		int type = a->nla_type & NLA_TYPE_MASK;

		if (type == MQBUS_A_GROUP_QUEUE) {
			figures_of_queue(f, a);
			err = 0;
		} else if (type <= MQBUS_A_GROUP_MAX) {
			f->group[type] = attr_number(a);
		}
	}
out:
	if (sock >= 0)
		close(sock);
	return err;
}

/* A figure of a queue group, or a value that no figure has */
static __u64 figure(const char *topic, const char *group, int which)
{
	struct figures f;

	if (figures_get(topic, group, &f) || !f.has[which])
		return NO_FIGURE;
	return f.number[which];
}

#endif /* _MQBUS_TEST_FIGURES_H */
