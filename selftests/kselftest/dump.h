/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dumps over generic netlink that are read piece by piece.
 */
#ifndef _MQBUS_TEST_DUMP_H
#define _MQBUS_TEST_DUMP_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/mqbus_netlink.h>

#include "mqbus_test.h"

/* A dump read piece by piece, as a reader with a small buffer gets it */
struct slow_dump {
	int fd;
	unsigned int messages;
	unsigned int interrupted;	/* messages that report an interrupted dump */
	bool done;
	const char *stay;		/* count names with this prefix, or NULL */
	unsigned char times[512];	/* how often each came, by its number */
};

/* The only strings are names: of a topic, and of a group */
static void slow_dump_count(struct slow_dump *d, const struct nlmsghdr *h)
{
	int left = h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	const char *at = (const char *)NLMSG_DATA(h) + GENL_HDRLEN;
	const struct nlattr *a;
	unsigned int i;

	for (; left >= NLA_HDRLEN; left -= i, at += i) {
		const char *name = at + NLA_HDRLEN;

		a = (const void *)at;
		i = NLA_ALIGN(a->nla_len);
		if (a->nla_type > 2 || strncmp(name, d->stay, strlen(d->stay)))
			continue;
		d->times[strtoul(name + strlen(d->stay), NULL, 10) % sizeof(d->times)]++;
	}
}

static int slow_dump_begin(struct slow_dump *d, int family, int cmd)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
	} ask = {
		.h.nlmsg_len = sizeof(ask),
		.h.nlmsg_type = family,
		.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.g.cmd = cmd,
		.g.version = MQBUS_FAMILY_VERSION,
	};
	int room = 4096;

	memset(d, 0, sizeof(*d));
	d->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (d->fd < 0 || setsockopt(d->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) ||
	    send(d->fd, &ask, sizeof(ask), 0) != sizeof(ask))
		return -errno;
	return 0;
}

/* Read the next piece. Return: its number of messages, 0 at the end, or a negative errno */
static int slow_dump_next(struct slow_dump *d)
{
	char piece[4096] __attribute__((aligned(8)));
	struct nlmsghdr *h = (void *)piece;
	ssize_t left = recv(d->fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_TRUNC);
	int n = 0;

	if (left < 0)
		return -errno;
	if (left > sizeof(piece))
		return -EMSGSIZE;
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		d->interrupted += !!(h->nlmsg_flags & NLM_F_DUMP_INTR);
		d->done |= h->nlmsg_type == NLMSG_DONE;
		n += h->nlmsg_type != NLMSG_DONE;
		if (d->stay && h->nlmsg_type != NLMSG_DONE)
			slow_dump_count(d, h);
	}
	d->messages += n;
	return n;
}

#endif /* _MQBUS_TEST_DUMP_H */
