/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CALLER_H
#define _MQBUS_CALLER_H

#include <linux/cred.h>
#include <linux/fs.h>

struct net;
struct netlink_ext_ack;
struct nlattr;
struct sk_buff;

/* Bits of a mode, as for a file */
#define MQBUS_MAY_READ	4
#define MQBUS_MAY_WRITE	2
#define MQBUS_MAY_HOLD	1	/* of a topic: create groups that hold records */

/**
 * struct mqbus_caller - credentials of a call
 * @cred: those that opened the file or the socket, valid as long as it is open
 * @net: the network namespace whose bus is called: the opener's, or one that was entered
 * @file: the endpoint's file, or the netlink socket's
 */
struct mqbus_caller {
	const struct cred *cred;
	struct net *net;
	struct file *file;
};

/**
 * struct mqbus_right - permissions of a caller that outlive its file
 * @groups: supplementary groups, with a reference; NULL: no caller
 * @uid: fsuid
 * @gid: fsgid
 * @override: the caller had CAP_DAC_OVERRIDE over the namespace
 *
 * A reference to the credentials would also hold their keyrings and user namespace.
 */
struct mqbus_right {
	struct group_info *groups;
	kuid_t uid;
	kgid_t gid;
	bool override;
};

struct mqbus_caller mqbus_caller_of_request(struct sk_buff *request);
struct net *mqbus_caller_enter(const struct nlattr *fd, struct netlink_ext_ack *extack);
bool mqbus_caller_capable(const struct mqbus_caller *caller, int cap);
bool mqbus_caller_may(const struct mqbus_caller *caller, kuid_t uid, kgid_t gid,
		      umode_t mode, unsigned int want);
void mqbus_right_get(struct mqbus_right *right, const struct mqbus_caller *caller);
void mqbus_right_put(struct mqbus_right *right);
bool mqbus_right_may(const struct mqbus_right *right, kuid_t uid, kgid_t gid,
		     umode_t mode, unsigned int want);
bool mqbus_caller_owns(const struct mqbus_caller *caller, kuid_t uid);
int mqbus_name_check(const char *name);
int mqbus_name_check_any(const char *name);

#endif /* _MQBUS_CALLER_H */
