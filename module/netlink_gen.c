// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	uapi/mqbus.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/mqbus_netlink.h>

/* MQBUS_CMD_TOPIC_GET - do */
static const struct nla_policy mqbus_topic_get_nl_policy[MQBUS_A_TOPIC_NAME + 1] = {
	[MQBUS_A_TOPIC_NAME] = { .type = NLA_NUL_STRING, .len = 127, },
};

/* MQBUS_CMD_PARTITION_GET - dump */
static const struct nla_policy mqbus_partition_get_nl_policy[MQBUS_A_PARTITION_TOPIC + 1] = {
	[MQBUS_A_PARTITION_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
};

/* MQBUS_CMD_GROUP_GET - dump */
static const struct nla_policy mqbus_group_get_nl_policy[MQBUS_A_GROUP_NAME + 1] = {
	[MQBUS_A_GROUP_TOPIC] = { .type = NLA_NUL_STRING, .len = 127, },
	[MQBUS_A_GROUP_NAME] = { .type = NLA_NUL_STRING, .len = 127, },
};

/* Ops table for mqbus */
const struct genl_ops mqbus_nl_ops[3] = {
	{
		.cmd		= MQBUS_CMD_TOPIC_GET,
		.doit		= mqbus_nl_topic_get_doit,
		.dumpit		= mqbus_nl_topic_get_dumpit,
		.policy		= mqbus_topic_get_nl_policy,
		.maxattr	= MQBUS_A_TOPIC_NAME,
	},
	{
		.cmd		= MQBUS_CMD_PARTITION_GET,
		.dumpit		= mqbus_nl_partition_get_dumpit,
		.policy		= mqbus_partition_get_nl_policy,
		.maxattr	= MQBUS_A_PARTITION_TOPIC,
	},
	{
		.cmd		= MQBUS_CMD_GROUP_GET,
		.dumpit		= mqbus_nl_group_get_dumpit,
		.policy		= mqbus_group_get_nl_policy,
		.maxattr	= MQBUS_A_GROUP_NAME,
	},
};
