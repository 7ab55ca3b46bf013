/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request over generic netlink and its reply.
 */
#ifndef MQBUS_QUERY_H
#define MQBUS_QUERY_H

#include <linux/types.h>
#include <stddef.h>

#include <netlink/netlink.h>

#include <linux/mqbus_netlink.h>

/* Attributes that a message may have; others from newer modules are ignored */
#define MQBUS_ATTR_MAX 63

/**
 * struct mqbus_query - a request and its result
 * @cmd: MQBUS_CMD_*
 * @flags: NLM_F_DUMP or 0
 * @attr: number of the attributes sent, 0 at the end
 * @value: their values; NULL leaves one out
 * @netns: number of the attribute that names another namespace
 * @decode: fills one element from a message
 * @many: number of an attribute that may be repeated, or 0
 * @decode_one: adds one of these to the element, after @decode
 * @each: number of the attribute that elements have, or 0; a message without it has the
 *	common attributes of those after it, and @decode adds to these
 * @size: bytes of an element
 * @compare: their order, or NULL
 * @common: an element with the common attributes, or NULL
 * @items: the elements
 * @n: their number
 * @error: negative errno, or 0
 */
struct mqbus_query {
	int cmd;
	int flags;
	int attr[2];
	const char *value[2];
	int netns;
	void (*decode)(struct nlattr **tb, void *item);
	int many;
	void (*decode_one)(struct nlattr *a, void *item);
	int each;
	size_t size;
	int (*compare)(const void *a, const void *b);
	void *common;
	char *items;
	size_t n;
	int error;
};

/* Send it; on success *@out is an array of *@n elements that the caller frees. */
int mqbus_query_run(struct mqbus_query *q, void *out, size_t *n);

/* The attributes of a message, NULL where absent; 0 or -EPROTO. */
int mqbus_query_parse(struct nlmsghdr *hdr, struct nlattr *tb[MQBUS_ATTR_MAX + 1]);

/* The value of an attribute; 0, or "", if it is absent or too short. */
__u32 mqbus_attr_u32(struct nlattr *a);
__u64 mqbus_attr_u64(struct nlattr *a);
void mqbus_attr_string(char *dst, struct nlattr *a, size_t size);

#endif /* MQBUS_QUERY_H */
