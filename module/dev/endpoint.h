/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_ENDPOINT_H
#define _MQBUS_ENDPOINT_H

#include <linux/mutex.h>
#include <net/net_namespace.h>

#include "base/caller.h"
#include "group/member.h"
#include "log/producer.h"

/**
 * struct mqbus_endpoint - an open file of the device
 * @caller: credentials of the opener; holds its namespace
 * @entered: another namespace, which it also holds; set once, and only while it is unbound
 * @lock: serialises binding and entering
 * @producer: set once, and only while there is no member
 * @member: likewise
 *
 * A producer or member is stored here after all steps that can fail, so a failed call
 * leaves the endpoint unbound.
 */
struct mqbus_endpoint {
	struct mqbus_caller caller;
	struct net *entered;
	struct mutex lock;	/* binding, entering */
	struct mqbus_producer *producer;
	struct mqbus_member *member;
};

/*
 * On whose behalf a call is made, and in which namespace: a call asks once, since another thread
 * may enter one meanwhile, and rights over the one are none over the other.
 */
static inline struct mqbus_caller mqbus_endpoint_caller(const struct mqbus_endpoint *ep)
{
	/* ORD_ENTER: acquire; pairs with release in do_enter() */
	struct net *entered = smp_load_acquire(&ep->entered);
	struct mqbus_caller caller = ep->caller;

	if (entered)
		caller.net = entered;
	return caller;
}

/* The producer of an endpoint, which lives as long as the file, or NULL */
static inline struct mqbus_producer *mqbus_endpoint_producer(const struct mqbus_endpoint *ep)
{
	/* ORD_BIND: acquire; pairs with release in do_produce() */
	return smp_load_acquire(&ep->producer);
}

/* The member of an endpoint, which lives as long as the file, or NULL */
static inline struct mqbus_member *mqbus_endpoint_member(const struct mqbus_endpoint *ep)
{
	/* ORD_BIND: acquire; pairs with release in do_join() */
	return smp_load_acquire(&ep->member);
}

/* The topic of an endpoint, or NULL for an unbound one */
static inline struct mqbus_topic *mqbus_endpoint_topic(const struct mqbus_endpoint *ep)
{
	const struct mqbus_producer *producer = mqbus_endpoint_producer(ep);
	const struct mqbus_member *member = mqbus_endpoint_member(ep);

	if (producer)
		return producer->topic;
	return member ? member->topic : NULL;
}

struct mqbus_part *mqbus_endpoint_part(struct mqbus_endpoint *ep, u32 partition);
long mqbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

extern const struct file_operations mqbus_fops;

#endif /* _MQBUS_ENDPOINT_H */
