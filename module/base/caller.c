// SPDX-License-Identifier: GPL-2.0
/*
 * Permissions: checked against the credentials that opened the file or the socket,
 * never against those of the task that calls with it.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/mqbus.h>
#include <linux/netlink.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "base/caller.h"

/**
 * mqbus_caller_of_request() - on whose behalf a netlink request is answered
 * @request: the request
 *
 * The opener of the socket: a program with more rights may be made to write to a socket
 * that it was given, or to read on with it.
 *
 * Return: the caller, for as long as the request is there.
 */
struct mqbus_caller mqbus_caller_of_request(struct sk_buff *request)
{
	struct sock *sk = NETLINK_CB(request).sk;

	return (struct mqbus_caller) {
		.cred = sk->sk_socket->file->f_cred,
		.net = sock_net(sk),
		.file = sk->sk_socket->file,
	};
}

/**
 * mqbus_caller_enter() - the network namespace that a request names
 * @fd: attribute with a descriptor of the task that sends the request; or NULL
 * @extack: for a message
 *
 * Return: the namespace, with a reference; NULL without @fd; or a negative errno.
 */
struct net *mqbus_caller_enter(const struct nlattr *fd, struct netlink_ext_ack *extack)
{
	struct net *net = fd ? get_net_ns_by_fd(nla_get_u32(fd)) : NULL;

	if (IS_ERR(net))
		NL_SET_ERR_MSG_ATTR(extack, fd, "not a descriptor of a network namespace");
	return net;
}

/*
 * Whether a caller has a capability over its namespace. CAP_SYS_RESOURCE must be over
 * the machine: limits protect the machine.
 */
bool mqbus_caller_capable(const struct mqbus_caller *caller, int cap)
{
	struct user_namespace *over = cap == CAP_SYS_RESOURCE ? &init_user_ns :
								caller->net->user_ns;

	return file_ns_capable(caller->file, over, cap);
}

/* in_egroup_p() for credentials that are not the caller's */
static bool in_group(kgid_t own, const struct group_info *info, kgid_t gid)
{
	unsigned int low = 0, high = info->ngroups;

	if (gid_eq(own, gid))
		return true;
	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (gid_eq(info->gid[mid], gid))
			return true;
		if (gid_gt(gid, info->gid[mid]))
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool mode_allows(const struct mqbus_right *right, kuid_t uid, kgid_t gid, umode_t mode,
			unsigned int want)
{
	if (uid_eq(right->uid, uid))
		mode >>= 6;
	else if (in_group(right->gid, right->groups, gid))
		mode >>= 3;
	return !(want & ~mode);
}

/**
 * mqbus_caller_may() - check a mode like that of a file
 * @caller: the caller
 * @uid: owner of the object
 * @gid: its group
 * @mode: its rwx bits for owner, group and others
 * @want: MQBUS_MAY_*
 *
 * Return: whether the mode or CAP_DAC_OVERRIDE allows all of @want.
 */
bool mqbus_caller_may(const struct mqbus_caller *caller, kuid_t uid, kgid_t gid,
		      umode_t mode, unsigned int want)
{
	const struct mqbus_right right = {
		.groups = caller->cred->group_info,
		.uid = caller->cred->fsuid, .gid = caller->cred->fsgid,
	};

	return mode_allows(&right, uid, gid, mode, want) ||
	       mqbus_caller_capable(caller, CAP_DAC_OVERRIDE);
}

/* Keep a caller's permissions beyond the life of its file */
void mqbus_right_get(struct mqbus_right *right, const struct mqbus_caller *caller)
{
	*right = (struct mqbus_right) {
		.groups = get_group_info(caller->cred->group_info),
		.uid = caller->cred->fsuid,
		.gid = caller->cred->fsgid,
		.override = mqbus_caller_capable(caller, CAP_DAC_OVERRIDE),
	};
}

/* Undo mqbus_right_get(); does nothing for an all-zero @right */
void mqbus_right_put(struct mqbus_right *right)
{
	if (right->groups)
		put_group_info(right->groups);
	*right = (struct mqbus_right) {};
}

/* As mqbus_caller_may(), for kept permissions */
bool mqbus_right_may(const struct mqbus_right *right, kuid_t uid, kgid_t gid,
		     umode_t mode, unsigned int want)
{
	return right->override ||
	       (right->groups && mode_allows(right, uid, gid, mode, want));
}

/* Whether a caller is the owner or has CAP_DAC_OVERRIDE */
bool mqbus_caller_owns(const struct mqbus_caller *caller, kuid_t uid)
{
	return uid_eq(caller->cred->fsuid, uid) ||
	       mqbus_caller_capable(caller, CAP_DAC_OVERRIDE);
}

/**
 * mqbus_name_check() - check a name from a user
 * @name: %MQBUS_NAME_SIZE bytes
 *
 * Names appear in tables, metrics and paths, so only characters that need no quoting
 * are allowed.
 *
 * Return: 0, -ENAMETOOLONG, -EINVAL (empty), -EILSEQ.
 */
int mqbus_name_check(const char *name)
{
	size_t len = strnlen(name, MQBUS_NAME_SIZE);
	size_t i;

	if (len == MQBUS_NAME_SIZE)
		return -ENAMETOOLONG;
	if (!len)
		return -EINVAL;
	if (name[0] == '-' || name[0] == '.')
		return -EILSEQ;
	for (i = 0; i < len; i++) {
		unsigned char c = name[i];

		if (c >= 0x80 || (!isalnum(c) && !strchr("._:@-", c)))
			return -EILSEQ;
	}
	/* The padding may get a meaning later, so it must be zero now */
	if (memchr_inv(name + len, 0, MQBUS_NAME_SIZE - len))
		return -EINVAL;
	return 0;
}

/**
 * mqbus_name_check_any() - check a name that may be missing
 * @name: %MQBUS_NAME_SIZE bytes
 *
 * Return: 0, also for "", with nothing behind it, or as mqbus_name_check().
 */
int mqbus_name_check_any(const char *name)
{
	return memchr_inv(name, 0, MQBUS_NAME_SIZE) ? mqbus_name_check(name) : 0;
}
