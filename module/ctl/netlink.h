/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_NETLINK_H
#define _MQBUS_NETLINK_H

struct genl_family;

extern struct genl_family mqbus_netlink_family;

int mqbus_netlink_init(void);
void mqbus_netlink_uninit(void);

#endif /* _MQBUS_NETLINK_H */
