/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_ACCOUNT_H
#define _MQBUS_ACCOUNT_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct mqbus_caller;
struct mqbus_ns;
struct mqbus_user;

/* Bytes charged to a namespace, the machine, and a user and those above */
struct mqbus_charge {
	struct mqbus_ns *ns;
	struct mqbus_user *user;
	u64 bytes;
};

/* Bytes in use: by a namespace, by all, by a user or the one above who holds most */
struct mqbus_charged {
	u64 ns;
	u64 machine;
	u64 user;
};

int mqbus_charge(struct mqbus_charge *charge, struct mqbus_ns *ns,
		 const struct mqbus_caller *caller, u64 bytes);
int mqbus_charge_with(struct mqbus_charge *charge, const struct mqbus_charge *other, u64 bytes);
void mqbus_uncharge(struct mqbus_charge *charge);
void mqbus_charged(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		   struct mqbus_charged *used);
u64 mqbus_user_limit(void);
u64 mqbus_ns_default_limit(void);
u64 mqbus_machine_limit(void);

#endif /* _MQBUS_ACCOUNT_H */
