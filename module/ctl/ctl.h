/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CTL_H
#define _MQBUS_CTL_H

#include <linux/types.h>
#include <linux/mqbus.h>

struct mqbus_group;
struct mqbus_ns;
struct mqbus_seek;
struct mqbus_topic;
struct mqbus_caller;

/* create.c */
int mqbus_topic_create(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_topic_create *args);
int mqbus_group_create(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_group_create *args);

/* set.c */
int mqbus_topic_set(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		    const struct mqbus_topic_create *args);
int mqbus_group_set(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		    const struct mqbus_group_set *args);

/* delete.c */
int mqbus_topic_delete(struct mqbus_ns *ns, const struct mqbus_caller *caller, const char *name);
void mqbus_topic_delete_all(struct mqbus_ns *ns);
int mqbus_group_delete(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		       const struct mqbus_group_delete *args);

/* seek.c */
bool mqbus_whence_valid(u32 whence, u64 value);
int mqbus_group_place(struct mqbus_group *group, u32 partition, struct mqbus_seek *seek,
		      bool place, u64 *end);
int mqbus_group_seek(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		     struct mqbus_group_seek *args);

/* wait.c */
int mqbus_group_wait(struct mqbus_ns *ns, const struct mqbus_caller *caller,
		     const struct mqbus_wait *args, bool nonblock);

#endif /* _MQBUS_CTL_H */
