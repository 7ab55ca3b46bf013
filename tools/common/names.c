// SPDX-License-Identifier: GPL-2.0
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include <linux/mqbus_netlink.h>

#include "cmd.h"
#include "mqbus.h"
#include "names.h"
#include "parse.h"

static const char * const full_words[] = {
	[MQBUS_FULL_BLOCK] = "block",
	[MQBUS_FULL_REJECT] = "reject",
	[MQBUS_FULL_EVICT] = "evict",
};

static const char * const over_words[] = {
	[MQBUS_OVER_BLOCK] = "block",
	[MQBUS_OVER_REJECT] = "reject",
};

static const char * const group_type_words[] = {
	[MQBUS_GROUP_STREAM] = "stream",
	[MQBUS_GROUP_QUEUE] = "queue",
};

static const char * const settlement_words[] = {
	[MQBUS_ACK] = "ack",
	[MQBUS_NACK] = "nack",
	[MQBUS_RELEASE] = "release",
	[MQBUS_REJECT] = "reject",
	[MQBUS_EXTEND] = "extend",
};

static const char * const event_words[] = {
	[MQBUS_EVENT_KIND_TOPIC_MADE] = "topic-made",
	[MQBUS_EVENT_KIND_TOPIC_DELETED] = "topic-deleted",
	[MQBUS_EVENT_KIND_GROUP_MADE] = "group-made",
	[MQBUS_EVENT_KIND_GROUP_DELETED] = "group-deleted",
	[MQBUS_EVENT_KIND_GROUP_EXPIRED] = "group-expired",
	[MQBUS_EVENT_KIND_MEMBER_JOINED] = "member-joined",
	[MQBUS_EVENT_KIND_MEMBER_LEFT] = "member-left",
	[MQBUS_EVENT_KIND_MEMBER_DIED] = "member-died",
	[MQBUS_EVENT_KIND_MEMBER_FENCED] = "member-fenced",
	[MQBUS_EVENT_KIND_REBALANCED] = "rebalanced",
	[MQBUS_EVENT_KIND_DEAD_LETTER] = "dead-letter",
	[MQBUS_EVENT_KIND_LOST] = "lost",
	[MQBUS_EVENT_KIND_LAG_ABOVE] = "lag-above",
	[MQBUS_EVENT_KIND_LAG_BELOW] = "lag-below",
	[MQBUS_EVENT_KIND_PRODUCER_BLOCKED] = "producer-blocked",
};

static const char * const member_state_words[] = {
	[MQBUS_MEMBER_STATE_ACTIVE] = "active",
	[MQBUS_MEMBER_STATE_STANDBY] = "standby",
	[MQBUS_MEMBER_STATE_FENCED] = "fenced",
	[MQBUS_MEMBER_STATE_AWAY] = "away",
};

/* names_@what() and names_@what_parse(), for the words in @what_words */
#define NAMES(what)							\
const char *names_##what(__u32 number)					\
{									\
	return number < ARRAY_SIZE(what##_words) ? what##_words[number] : "unknown"; \
}									\
									\
int names_##what##_parse(const char *word, __u32 *number)		\
{									\
	return parse_choice(what##_words, ARRAY_SIZE(what##_words), word, number); \
}

NAMES(full)
NAMES(over)
NAMES(group_type)
NAMES(settlement)
NAMES(event)

const char *names_member_state(__u32 state)
{
	return state < ARRAY_SIZE(member_state_words) ? member_state_words[state] : "unknown";
}

const char *names_user(char buf[64], __u32 uid)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(buf, 64, "%s", pw->pw_name);
	else
		snprintf(buf, 64, "%u", uid);
	return buf;
}

const char *names_group(char buf[64], __u32 gid)
{
	const struct group *gr = getgrgid(gid);

	if (gr)
		snprintf(buf, 64, "%s", gr->gr_name);
	else
		snprintf(buf, 64, "%u", gid);
	return buf;
}
