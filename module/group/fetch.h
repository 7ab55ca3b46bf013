/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_FETCH_H
#define _MQBUS_FETCH_H

#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/mqbus.h>

struct mqbus_member;

int mqbus_fetch(struct mqbus_member *member, struct mqbus_fetch *args, bool nonblock);
ssize_t mqbus_fetch_read(struct mqbus_member *member, struct iov_iter *to, ktime_t deadline);
__poll_t mqbus_fetch_poll(struct mqbus_member *member, struct file *file,
			  struct poll_table_struct *wait);

#endif /* _MQBUS_FETCH_H */
