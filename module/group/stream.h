/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_STREAM_H
#define _MQBUS_STREAM_H

#include <linux/types.h>
#include <linux/mqbus.h>

struct mqbus_group;
struct mqbus_member;
struct mqbus_topic;
struct mqbus_caller;

/* As of struct mqbus_group_ops */
int mqbus_stream_check(const struct mqbus_group_create *args, const struct mqbus_topic *topic);
int mqbus_stream_init(struct mqbus_group *group, const struct mqbus_group_create *args);
void mqbus_stream_free(struct mqbus_group *group);
struct mqbus_topic *mqbus_stream_end(struct mqbus_group *group);
int mqbus_stream_set(struct mqbus_group *group, const struct mqbus_caller *caller,
		     const struct mqbus_group_set *args, struct mqbus_topic **dlq);
void mqbus_stream_hold(struct mqbus_group *group, bool *what, bool value);
void mqbus_stream_fence(struct mqbus_group *group);
int mqbus_stream_enter(struct mqbus_group *group, struct mqbus_member *member,
		       const char *id);
void mqbus_stream_leave(struct mqbus_group *group, struct mqbus_member *member);

int mqbus_stream_admit(struct mqbus_group *group, struct mqbus_member *member);
void mqbus_stream_wake(struct mqbus_group *group);
void mqbus_stream_unlock(struct mqbus_group *group) __releases(&group->lock);

#endif /* _MQBUS_STREAM_H */
