// SPDX-License-Identifier: GPL-2.0
/*
 * Listings, figures and events over plain sockets, and a namespace's limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/mqbus_netlink.h>
#include <linux/netlink.h>

#include "fuzz.h"

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[512];
};

static int family;
static __u32 events;

static void request_begin(struct request *r, __u16 type, __u8 cmd, __u16 flags)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = offsetof(struct request, attrs);
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = NLM_F_REQUEST | flags;
	r->genl.cmd = cmd;
	r->genl.version = MQBUS_FAMILY_VERSION;
}

static void request_add(struct request *r, __u16 type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)r + r->head.nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	r->head.nlmsg_len += NLA_ALIGN(a->nla_len);
}

#define for_each_attr(a, from, bytes, left)				\
	for ((left) = (bytes), (a) = (const void *)(from);		\
	     (left) >= NLA_HDRLEN && (a)->nla_len >= NLA_HDRLEN && (a)->nla_len <= (left); \
	     (left) -= NLA_ALIGN((a)->nla_len),				\
	     (a) = (const void *)((const char *)(a) + NLA_ALIGN((a)->nla_len)))

#define REPLY_ATTRS(reply)	((reply) + NLMSG_HDRLEN + GENL_HDRLEN)
#define REPLY_LEN(n)		((n) - NLMSG_HDRLEN - GENL_HDRLEN)

static int netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
}

/* Return: bytes of the answer, or a negative errno */
static int ask(int sock, const struct request *r, char *reply, size_t room)
{
	const struct nlmsghdr *h = (const void *)reply;
	ssize_t n;

	if (send(sock, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(sock, reply, room, 0);
	if (n < 0)
		return -errno;
	return h->nlmsg_type == NLMSG_ERROR ? *(const int *)NLMSG_DATA(h) ?: -EIO :
					      (int)h->nlmsg_len;
}

static __u64 number(const struct nlattr *a)
{
	__u64 wide = 0;
	__u32 narrow = 0;

	if (a->nla_len == NLA_HDRLEN + 8)
		memcpy(&wide, a + 1, 8);
	else if (a->nla_len == NLA_HDRLEN + 4)
		memcpy(&narrow, a + 1, 4);
	return wide ?: narrow;
}

void netlink_init(void)
{
	int sock = netlink_socket(), left, inner, deep, n;
	const struct nlattr *a, *group, *b;
	struct request r;
	char reply[4096];

	request_begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	request_add(&r, CTRL_ATTR_FAMILY_NAME, MQBUS_FAMILY_NAME, sizeof(MQBUS_FAMILY_NAME));
	n = ask(sock, &r, reply, sizeof(reply));
	close(sock);
	for_each_attr(a, REPLY_ATTRS(reply), REPLY_LEN(n), left) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			family = *(const __u16 *)(a + 1);
		if ((a->nla_type & NLA_TYPE_MASK) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		for_each_attr(group, a + 1, a->nla_len - NLA_HDRLEN, inner)
			for_each_attr(b, group + 1, group->nla_len - NLA_HDRLEN, deep)
				if (b->nla_type == CTRL_ATTR_MCAST_GRP_ID)
					events = number(b);
	}
	if (n < 0 || !family) {
		fprintf(stderr, "fuzz: there is no netlink family\n");
		exit(2);
	}
}

/* The first attribute is always the topic's name, the second the partition's number or the group */
static void request_names(struct request *r, const char *topic, size_t topic_len,
			  const char *group, size_t group_len, __u32 partition)
{
	request_add(r, MQBUS_A_GROUP_TOPIC, topic, topic_len);
	if (group)
		request_add(r, MQBUS_A_GROUP_NAME, group, group_len);
	if (partition != MQBUS_ANY)
		request_add(r, group ? MQBUS_A_GROUP_PARTITION : MQBUS_A_PARTITION_INDEX,
			    &partition, sizeof(partition));
}

int netlink_numbers(int cmd, const char *topic, const char *group, __u32 partition,
		    __u64 *numbers, unsigned int max, __u64 *queue, unsigned int queue_max)
{
	int sock = netlink_socket(), left, inner, n;
	const struct nlattr *a, *b;
	struct request r;
	char reply[8192];

	memset(numbers, 0, (max + 1) * sizeof(*numbers));
	request_begin(&r, family, cmd, 0);
	request_names(&r, topic, strlen(topic) + 1, group, group ? strlen(group) + 1 : 0,
		      partition);
	n = ask(sock, &r, reply, sizeof(reply));
	close(sock);
	if (n < 0)
		return n;
	for_each_attr(a, REPLY_ATTRS(reply), REPLY_LEN(n), left) {
		unsigned int type = a->nla_type & NLA_TYPE_MASK;

		if (queue && type == MQBUS_A_GROUP_QUEUE)
			for_each_attr(b, a + 1, a->nla_len - NLA_HDRLEN, inner)
				if ((b->nla_type & NLA_TYPE_MASK) <= queue_max)
					queue[b->nla_type & NLA_TYPE_MASK] = number(b);
		if (type <= max)
			numbers[type] = number(a);
	}
	return 0;
}

static void listed_fill(struct listed *l, const struct nlmsghdr *h)
{
	const struct nlattr *a;
	int left;

	memset(l, 0, sizeof(*l));
	for_each_attr(a, (const char *)h + NLMSG_HDRLEN + GENL_HDRLEN,
		      (int)(h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN), left) {
		unsigned int type = a->nla_type & NLA_TYPE_MASK;

		if ((type == 1 || type == 2) && a->nla_len - NLA_HDRLEN <= MQBUS_NAME_SIZE)
			memcpy(l->name[type - 1], a + 1, a->nla_len - NLA_HDRLEN);
		if (type < ARRAY_SIZE(l->number))
			l->number[type] = number(a);
	}
}

int netlink_list(int cmd, void (*each)(const struct listed *l, void *data), void *data)
{
	static char reply[1 << 16];
	int sock = netlink_socket(), count = 0, n;
	struct listed l;
	struct request r;

	request_begin(&r, family, cmd, NLM_F_DUMP);
	if (send(sock, &r, r.head.nlmsg_len, 0) < 0)
		count = -errno;
	while (count >= 0) {
		struct nlmsghdr *h = (void *)reply;

		n = recv(sock, reply, sizeof(reply), 0);
		if (n < 0)
			count = -errno;
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				goto done;
			listed_fill(&l, h);
			each(&l, data);
			count++;
		}
	}
done:
	close(sock);
	return count;
}

/* Each lease has ended in exactly one way, or not yet */
bool netlink_sums(const char *topic, const char *group, char *text, size_t size)
{
	__u64 g[MQBUS_A_GROUP_MAX + 1], q[MQBUS_A_QUEUE_MAX + 1] = { 0 }, over;
	int n;

	if (netlink_numbers(MQBUS_CMD_GROUP_GET, topic, group, 0, g, MQBUS_A_GROUP_MAX, q,
			    MQBUS_A_QUEUE_MAX))
		return true;
	over = q[MQBUS_A_QUEUE_ACKED] + q[MQBUS_A_QUEUE_NACKED] + q[MQBUS_A_QUEUE_RELEASED] +
	       q[MQBUS_A_QUEUE_REJECTED] + q[MQBUS_A_QUEUE_EXPIRED] + q[MQBUS_A_QUEUE_DIED];
	n = snprintf(text, size, "%s/%s: delivered %llu, over %llu, leased %llu, redelivered %llu;",
		     topic, group, q[MQBUS_A_QUEUE_DELIVERED], over, q[MQBUS_A_QUEUE_LEASED],
		     q[MQBUS_A_QUEUE_REDELIVERED]);
	n += snprintf(text + n, size - n, " acked %llu, nacked %llu, released %llu, rejected %llu,",
		      q[MQBUS_A_QUEUE_ACKED], q[MQBUS_A_QUEUE_NACKED],
		      q[MQBUS_A_QUEUE_RELEASED], q[MQBUS_A_QUEUE_REJECTED]);
	snprintf(text + n, size - n, " expired %llu, died %llu; committed %llu next %llu lag %llu",
		 q[MQBUS_A_QUEUE_EXPIRED], q[MQBUS_A_QUEUE_DIED], g[MQBUS_A_GROUP_COMMITTED],
		 g[MQBUS_A_GROUP_NEXT_OFFSET], g[MQBUS_A_GROUP_LAG]);
	return q[MQBUS_A_QUEUE_DELIVERED] == over + q[MQBUS_A_QUEUE_LEASED] &&
	       q[MQBUS_A_QUEUE_REDELIVERED] <= q[MQBUS_A_QUEUE_DELIVERED] &&
	       q[MQBUS_A_QUEUE_LEASED] <= q[MQBUS_A_QUEUE_INFLIGHT] &&
	       g[MQBUS_A_GROUP_COMMITTED] <= g[MQBUS_A_GROUP_NEXT_OFFSET] &&
	       g[MQBUS_A_GROUP_LAG] <= g[MQBUS_A_GROUP_NEXT_OFFSET];
}

/* Ask about another namespace */
static void request_netns(struct request *r, __u16 arg)
{
	static const __u16 attr[] = {
		[MQBUS_CMD_TOPIC_GET] = MQBUS_A_TOPIC_NETNS,
		[MQBUS_CMD_PARTITION_GET] = MQBUS_A_PARTITION_NETNS,
		[MQBUS_CMD_GROUP_GET] = MQBUS_A_GROUP_NETNS,
		[MQBUS_CMD_MEMBER_GET] = MQBUS_A_MEMBER_NETNS,
	};
	__u32 netns = value_of(K_NETNS, arg);

	if (r->genl.cmd < ARRAY_SIZE(attr))
		request_add(r, attr[r->genl.cmd], &netns, sizeof(netns));
}

long do_get(struct worker *w, const struct op *op)
{
	unsigned int how = value_of(K_SMALL, op->arg[4]);
	size_t topic_len, group_len;
	const char *topic = name_of(value_of(K_TOPIC, op->arg[1]), &topic_len);
	const char *group = name_of(value_of(K_GROUP, op->arg[2]), &group_len);
	int sock = netlink_socket(), ret;
	struct request r;
	char reply[8192];

	request_begin(&r, family, value_of(K_COMMAND, op->arg[0]), how == 7 ? NLM_F_ACK : 0);
	request_names(&r, topic, topic_len + 1, how & 1 ? group : NULL, group_len + 1,
		      value_of(K_PARTITION, op->arg[3]));
	if (how == 5)
		request_netns(&r, op->arg[3]);
	if (how == 6)
		r.head.nlmsg_len -= 4;
	fail_arm(w, op->fail);
	ret = send(sock, &r, r.head.nlmsg_len, 0);
	fail_disarm(w);
	if (ret >= 0)
		ret = recv(sock, reply, sizeof(reply), MSG_DONTWAIT);
	close(sock);
	return ret;
}

/* All of it, or the first piece: then close() ends the dump */
long do_dump(struct worker *w, const struct op *op)
{
	unsigned int pieces = 1 + value_of(K_SMALL, op->arg[1]);
	int sock = netlink_socket(), room = 2048, ret;
	char reply[8192];
	struct request r;

	request_begin(&r, family, value_of(K_COMMAND, op->arg[0]), NLM_F_DUMP);
	if (op->arg[1] & 1)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (op->arg[1] & 2)
		request_netns(&r, op->arg[1] / 4);
	fail_arm(w, op->fail);
	ret = send(sock, &r, r.head.nlmsg_len, 0);
	while (ret >= 0 && pieces--)
		ret = recv(sock, reply, sizeof(reply), MSG_DONTWAIT);
	fail_disarm(w);
	close(sock);
	return ret;
}

/* Join the group of events, or read what has come */
long do_listen(struct worker *w, const struct op *op)
{
	int sock = atomic_load(&world.netlink), none = -1, room = 2048;
	char reply[8192];

	if (sock >= 0)
		return recv(sock, reply, sizeof(reply), MSG_DONTWAIT);
	sock = netlink_socket();
	if (op->arg[0] & 1)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &events, sizeof(events));
	if (!atomic_compare_exchange_strong(&world.netlink, &none, sock))
		close(sock);
	return 0;
}

bool sysctl_write(const char *name, __u64 value)
{
	char path[64], text[24];
	int fd, n;
	bool ok;

	snprintf(path, sizeof(path), "/proc/sys/net/mqbus/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = snprintf(text, sizeof(text), "%llu", value);
	ok = fd >= 0 && write(fd, text, n) == n;
	if (fd >= 0)
		close(fd);
	return ok;
}

long do_sysctl(struct worker *w, const struct op *op)
{
	static const char *const names[] = { "max_bytes", "max_topics", "max_groups" };

	if (world.user)
		return -1;
	atomic_store(&world.limits_changed, true);
	return sysctl_write(names[value_of(K_SYSCTL, op->arg[0])],
			    value_of(K_LIMITS, op->arg[1])) ? 0 : -1;
}
