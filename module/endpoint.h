/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_ENDPOINT_H
#define _MQBUS_ENDPOINT_H

#include <linux/mutex.h>
#include <net/net_namespace.h>

#include "member.h"
#include "producer.h"
#include "who.h"

enum mqbus_endpoint_kind {
	MQBUS_ENDPOINT_UNBOUND,
	MQBUS_ENDPOINT_PRODUCER,
	MQBUS_ENDPOINT_MEMBER,
};

/**
 * struct mqbus_endpoint - an open file of the device
 * @who: on whose behalf it acts: who opened it; holds its namespace
 * @lock: binding
 * @kind: changes once, from unbound; published with release after the union
 * @producer: if it is one
 * @member: if it is one
 */
struct mqbus_endpoint {
	struct mqbus_who who;
	struct mutex lock;	/* binding */
	enum mqbus_endpoint_kind kind;
	union {
		struct mqbus_producer producer;
		struct mqbus_member member;
	};
};

/**
 * mqbus_endpoint_kind() - what an endpoint is bound as
 * @ep: the endpoint
 *
 * Return: the kind; what belongs to it may be used then without a lock.
 */
static inline enum mqbus_endpoint_kind
mqbus_endpoint_kind(const struct mqbus_endpoint *ep)
{
	/* ORD_BIND: acquire; pairs with release in endpoint_bind() */
	return smp_load_acquire(&ep->kind);
}

/**
 * mqbus_endpoint_topic() - the topic of a bound endpoint
 * @ep: the endpoint
 *
 * Return: the topic, or NULL for an unbound one.
 */
static inline struct mqbus_topic *mqbus_endpoint_topic(struct mqbus_endpoint *ep)
{
	switch (mqbus_endpoint_kind(ep)) {
	case MQBUS_ENDPOINT_PRODUCER:
		return ep->producer.topic;
	case MQBUS_ENDPOINT_MEMBER:
		return ep->member.topic;
	default:
		return NULL;
	}
}

struct mqbus_part *mqbus_endpoint_part(struct mqbus_endpoint *ep, u32 partition);
long mqbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

extern const struct file_operations mqbus_fops;

#endif /* _MQBUS_ENDPOINT_H */
