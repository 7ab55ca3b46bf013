/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_ACCOUNT_H
#define _MQBUS_ACCOUNT_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct mqbus_ns;
struct mqbus_user;

/* Bytes charged to a namespace and a user */
struct mqbus_charge {
	struct mqbus_ns *ns;
	struct mqbus_user *user;
	u64 bytes;
};

int mqbus_charge(struct mqbus_charge *charge, struct mqbus_ns *ns, kuid_t uid,
		 u64 bytes, bool raised);
void mqbus_uncharge(struct mqbus_charge *charge);
u64 mqbus_charged(struct mqbus_ns *ns);
u64 mqbus_user_limit(void);
u64 mqbus_ns_default_limit(void);

#endif /* _MQBUS_ACCOUNT_H */
