/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_WAKE_H
#define _MQBUS_WAKE_H

struct mqbus_group;
struct mqbus_member;
struct mqbus_reader;
struct mqbus_stored;

void mqbus_wake_stream(struct mqbus_reader *reader, const struct mqbus_stored *stored);
void mqbus_wake_queue(struct mqbus_reader *reader, const struct mqbus_stored *stored);
void mqbus_wake_noted(struct mqbus_group *group);
void mqbus_wake_hangup(struct mqbus_member *member);
void mqbus_wake_queue_end(struct mqbus_group *group);

#endif /* _MQBUS_WAKE_H */
