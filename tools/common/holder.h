/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose fault it is that a topic takes no records.
 */
#ifndef MQBUS_HOLDER_H
#define MQBUS_HOLDER_H

#include <stdbool.h>

#include "format.h"
#include "mqbus_admin.h"

/* Whether producers wait for room, or there is none for one more record like those kept. */
bool holder_full(const struct mqbus_admin_topic *t);
/* Append which group holds the topic's records back, and the way out; asks about the group. */
void holder_tell(const struct mqbus_admin_topic *t, struct text *out);
/* The same for records that were refused for @why, an enum mqbus_why but MQBUS_WHY_NONE. */
void holder_tell_why(const char *topic, int why, struct text *out);

#endif /* MQBUS_HOLDER_H */
