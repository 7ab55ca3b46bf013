// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "bus.h"
#include "query.h"

__u32 mqbus_attr_u32(struct nlattr *a)
{
	return a && nla_len(a) >= (int)sizeof(__u32) ? nla_get_u32(a) : 0;
}

__u64 mqbus_attr_u64(struct nlattr *a)
{
	return a && nla_len(a) >= (int)sizeof(__u64) ? nla_get_u64(a) : 0;
}

void mqbus_attr_string(char *dst, struct nlattr *a, size_t size)
{
	if (a)
		nla_strlcpy(dst, a, size);
}

int mqbus_query_parse(struct nlmsghdr *hdr, struct nlattr *tb[MQBUS_ATTR_MAX + 1])
{
	return genlmsg_parse(hdr, 0, tb, MQBUS_ATTR_MAX, NULL) < 0 ? -EPROTO : 0;
}

/* nla_parse() keeps only the last of a repeated attribute */
static void decode_many(struct mqbus_query *q, struct nlmsghdr *hdr, void *item)
{
	struct nlattr *a;
	int left;

	nlmsg_for_each_attr(a, hdr, GENL_HDRLEN, left) {
		if (nla_type(a) == q->many)
			q->decode_one(a, item);
	}
}

/* The element for a message, filled with the common attributes; or NULL */
static void *item_add(struct mqbus_query *q, bool common)
{
	char *items;

	if (common) {
		free(q->common);
		q->common = calloc(1, q->size);
		return q->common;
	}
	items = reallocarray(q->items, q->n + 1, q->size);
	if (!items)
		return NULL;
	q->items = items;
	items += q->n++ * q->size;
	if (q->common)
		memcpy(items, q->common, q->size);
	else
		memset(items, 0, q->size);
	return items;
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[MQBUS_ATTR_MAX + 1];
	struct mqbus_query *q = arg;
	void *item;

	q->error = mqbus_query_parse(nlmsg_hdr(msg), tb);
	if (q->error)
		return NL_SKIP;
	item = item_add(q, q->each && !tb[q->each]);
	if (!item) {
		q->error = -ENOMEM;
		return NL_SKIP;
	}
	q->decode(tb, item);
	if (q->many)
		decode_many(q, nlmsg_hdr(msg), item);
	return NL_OK;
}

/* libnl's error codes lose the errno, so keep the original. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct mqbus_query *q = arg;

	(void)from;
	q->error = err->error;
	return NL_STOP;
}

static int query_send(struct nl_sock *sock, const struct mqbus_query *q, int bus)
{
	struct nl_msg *msg = nlmsg_alloc();
	int family, i, ret;

	if (!msg)
		return -ENOMEM;
	family = genl_ctrl_resolve(sock, MQBUS_FAMILY_NAME);
	if (family < 0) {
		nlmsg_free(msg);
		return -ENODEV;
	}
	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, q->flags, q->cmd,
		    MQBUS_FAMILY_VERSION);
	for (i = 0; i < 2; i++) {
		if (q->value[i])
			nla_put_string(msg, q->attr[i], q->value[i]);
	}
	if (bus >= 0)
		nla_put_u32(msg, q->netns, bus);
	ret = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return ret < 0 ? -EIO : 0;
}

static int query_receive(struct nl_sock *sock, struct mqbus_query *q)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, q);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, q);
	ret = nl_recvmsgs(sock, cb);
	/* An ACK follows the reply to a request for one object */
	if (!ret && !q->error && !(q->flags & NLM_F_DUMP))
		ret = nl_wait_for_ack(sock);
	nl_cb_put(cb);
	if (q->error)
		return q->error;
	if (ret == -NLE_DUMP_INTR)
		return -EAGAIN;
	return ret < 0 ? -EIO : 0;
}

static int query_once(struct mqbus_query *q)
{
	struct nl_sock *sock;
	int bus, ret;

	ret = mqbus_bus_open(&bus);
	if (ret)
		return ret;
	sock = nl_socket_alloc();
	ret = !sock ? -ENOMEM : genl_connect(sock) < 0 ? -ENODEV : query_send(sock, q, bus);
	if (!ret)
		ret = query_receive(sock, q);
	nl_socket_free(sock);
	if (bus >= 0)
		close(bus);
	/* A file, and no namespace */
	return bus >= 0 && ret == -EINVAL ? -ENXIO : ret;
}

int mqbus_query_run(struct mqbus_query *q, void *out, size_t *n)
{
	int tries = 3;
	int ret;

	/*
	 * A dump that ran during a change is not consistent: retry. If changes never stop, any
	 * dump will do: objects that stay are in each, once.
	 */
	do {
		q->n = 0;
		q->error = 0;
		ret = query_once(q);
	} while (ret == -EAGAIN && --tries);
	free(q->common);
	if (ret && ret != -EAGAIN) {
		free(q->items);
		return ret;
	}
	if (q->n && q->compare)
		qsort(q->items, q->n, q->size, q->compare);
	*(void **)out = q->items;
	*n = q->n;
	return 0;
}
