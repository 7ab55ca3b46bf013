// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "bus.h"
#include "mqbus_admin.h"
#include "query.h"

#define MESSAGE_MAX 8192

/**
 * struct mqbus_admin_listener - a socket that gets events
 * @sock: the socket
 * @family: number of the family mqbus
 * @controller: number of the generic netlink controller
 * @drops: events lost so far
 */
struct mqbus_admin_listener {
	struct nl_sock *sock;
	int family;
	int controller;
	__u64 drops;
};

static int add_group(struct nl_sock *sock, const char *family, const char *group)
{
	int number = genl_ctrl_resolve_grp(sock, family, group);

	if (number < 0)
		return -ENOTTY;
	number = nl_socket_add_membership(sock, number);
	if (number < 0)
		return number == -NLE_PERM ? -EPERM : -EIO;
	return 0;
}

static int listener_setup(struct mqbus_admin_listener *l, int buffer)
{
	int fd, ret;

	if (genl_connect(l->sock) < 0)
		return -ENODEV;
	fd = mqbus_admin_listener_fd(l);
	l->family = genl_ctrl_resolve(l->sock, MQBUS_FAMILY_NAME);
	l->controller = genl_ctrl_resolve(l->sock, "nlctrl");
	if (l->family < 0 || l->controller < 0)
		return -ENODEV;
	/* Only root gets more than rmem_max; a smaller buffer is no failure */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	ret = add_group(l->sock, "nlctrl", "notify");
	return ret ? ret : add_group(l->sock, MQBUS_FAMILY_NAME, MQBUS_MCGRP_EVENTS);
}

/* Events reach the sockets of their own namespace */
static int listener_bus(void)
{
	int bus, ret = mqbus_bus_open(&bus);

	if (!ret && mqbus_bus_is_other(bus))
		ret = -EXDEV;
	if (bus >= 0)
		close(bus);
	return ret;
}

int mqbus_admin_listener_open(struct mqbus_admin_listener **out, int buffer)
{
	struct mqbus_admin_listener *l;
	int ret = listener_bus();

	if (ret)
		return ret;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->sock = nl_socket_alloc();
	ret = l->sock ? listener_setup(l, buffer) : -ENOMEM;
	if (ret) {
		mqbus_admin_listener_close(l);
		return ret;
	}
	*out = l;
	return 0;
}

void mqbus_admin_listener_close(struct mqbus_admin_listener *l)
{
	if (!l)
		return;
	if (l->sock)
		nl_socket_free(l->sock);
	free(l);
}

int mqbus_admin_listener_fd(const struct mqbus_admin_listener *l)
{
	return nl_socket_get_fd(l->sock);
}

/* Messages that this socket has dropped since the last call; 0: unknown. */
static __u64 listener_lost(struct mqbus_admin_listener *l)
{
	FILE *f = fopen("/proc/net/netlink", "r");
	unsigned long long drops, before = l->drops;
	unsigned int protocol, port;
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %llu", &protocol, &port,
			   &drops) == 3 &&
		    protocol == NETLINK_GENERIC && port == nl_socket_get_local_port(l->sock)) {
			l->drops = drops;
			break;
		}
	}
	fclose(f);
	return l->drops - before;
}

/* Whether a message of the controller says that the family was unregistered. */
static bool family_gone(const struct mqbus_admin_listener *l, struct nlmsghdr *hdr)
{
	const struct genlmsghdr *gnlh = nlmsg_data(hdr);
	struct nlattr *tb[MQBUS_ATTR_MAX + 1];

	return hdr->nlmsg_type == l->controller && gnlh->cmd == CTRL_CMD_DELFAMILY &&
	       !mqbus_query_parse(hdr, tb) && tb[CTRL_ATTR_FAMILY_ID] &&
	       nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]) == l->family;
}

static void decode_event(struct nlattr **tb, struct mqbus_admin_event *e)
{
	int i;

	memset(e, 0, sizeof(*e));
	for (i = 0; i <= MQBUS_A_EVENT_MAX; i++) {
		if (tb[i])
			e->has |= 1U << i;
	}
	e->kind = mqbus_attr_u32(tb[MQBUS_A_EVENT_KIND]);
	e->time = mqbus_attr_u64(tb[MQBUS_A_EVENT_TIME]);
	mqbus_attr_string(e->topic, tb[MQBUS_A_EVENT_TOPIC], sizeof(e->topic));
	mqbus_attr_string(e->group, tb[MQBUS_A_EVENT_GROUP], sizeof(e->group));
	mqbus_attr_string(e->member, tb[MQBUS_A_EVENT_MEMBER], sizeof(e->member));
	e->pid = mqbus_attr_u32(tb[MQBUS_A_EVENT_PID]);
	mqbus_attr_string(e->comm, tb[MQBUS_A_EVENT_COMM], sizeof(e->comm));
	e->uid = mqbus_attr_u32(tb[MQBUS_A_EVENT_UID]);
	e->partition = mqbus_attr_u32(tb[MQBUS_A_EVENT_PARTITION]);
	e->offset = mqbus_attr_u64(tb[MQBUS_A_EVENT_OFFSET]);
	e->count = mqbus_attr_u64(tb[MQBUS_A_EVENT_COUNT]);
	mqbus_attr_string(e->reason, tb[MQBUS_A_EVENT_REASON], sizeof(e->reason));
	e->generation = mqbus_attr_u32(tb[MQBUS_A_EVENT_GENERATION]);
	e->lag = mqbus_attr_u64(tb[MQBUS_A_EVENT_LAG]);
	e->limit = mqbus_attr_u64(tb[MQBUS_A_EVENT_LIMIT]);
	e->blocked_time = mqbus_attr_u64(tb[MQBUS_A_EVENT_BLOCKED_TIME]);
}

int mqbus_admin_listener_next(struct mqbus_admin_listener *l, struct mqbus_admin_event *event,
			      __u64 *lost)
{
	char buf[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *hdr = (struct nlmsghdr *)buf;
	struct nlattr *tb[MQBUS_ATTR_MAX + 1];
	ssize_t n;

	/* libnl's receive functions restart after a signal and lose the errno */
	while ((n = recv(mqbus_admin_listener_fd(l), buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		/* Each message has one event */
		if (!nlmsg_ok(hdr, n) || hdr->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
			continue;
		if (family_gone(l, hdr))
			return -ENODEV;
		if (hdr->nlmsg_type != l->family || mqbus_query_parse(hdr, tb))
			continue;
		decode_event(tb, event);
		return 1;
	}
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	if (errno == ENOBUFS) {
		*lost = listener_lost(l);
		return -ENOBUFS;
	}
	return -errno;
}
