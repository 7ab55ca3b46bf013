/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	uapi/mqbus.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include <linux/mqbus_netlink.h>

/* MQBUS_CMD_TOPIC_GET - do */
static const struct nla_policy mqbus_topic_get_do_nl_policy[MQBUS_A_TOPIC_NETNS + 1] = {
	[MQBUS_A_TOPIC_NAME] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_TOPIC_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_TOPIC_GET - dump */
static const struct nla_policy mqbus_topic_get_dump_nl_policy[MQBUS_A_TOPIC_NETNS + 1] = {
	[MQBUS_A_TOPIC_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_PARTITION_GET - do */
static const struct nla_policy mqbus_partition_get_do_nl_policy[MQBUS_A_PARTITION_NETNS + 1] = {
	[MQBUS_A_PARTITION_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_PARTITION_INDEX] = { .type = NLA_U32, },
	[MQBUS_A_PARTITION_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_PARTITION_GET - dump */
static const struct nla_policy mqbus_partition_get_dump_nl_policy[MQBUS_A_PARTITION_NETNS + 1] = {
	[MQBUS_A_PARTITION_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_PARTITION_INDEX] = { .type = NLA_U32, },
	[MQBUS_A_PARTITION_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_GROUP_GET - do */
static const struct nla_policy mqbus_group_get_do_nl_policy[MQBUS_A_GROUP_NETNS + 1] = {
	[MQBUS_A_GROUP_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_GROUP_NAME] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_GROUP_PARTITION] = { .type = NLA_U32, },
	[MQBUS_A_GROUP_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_GROUP_GET - dump */
static const struct nla_policy mqbus_group_get_dump_nl_policy[MQBUS_A_GROUP_NETNS + 1] = {
	[MQBUS_A_GROUP_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_GROUP_NAME] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_GROUP_PARTITION] = { .type = NLA_U32, },
	[MQBUS_A_GROUP_NETNS] = { .type = NLA_U32, },
};

/* MQBUS_CMD_MEMBER_GET - dump */
static const struct nla_policy mqbus_member_get_nl_policy[MQBUS_A_MEMBER_NETNS + 1] = {
	[MQBUS_A_MEMBER_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_MEMBER_GROUP] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_MEMBER_NETNS] = { .type = NLA_U32, },
};
