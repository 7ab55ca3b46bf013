/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LEASE_H
#define _MQBUS_LEASE_H

#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

struct mqbus_member;

int mqbus_lease(struct mqbus_member *member, struct mqbus_lease *args, bool nonblock);
ssize_t mqbus_lease_read(struct mqbus_member *member, struct iov_iter *to,
			 ktime_t deadline);
__poll_t mqbus_lease_poll(struct mqbus_member *member, struct file *file,
			  struct poll_table_struct *wait);

#endif /* _MQBUS_LEASE_H */
