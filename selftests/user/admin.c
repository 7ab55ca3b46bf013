// SPDX-License-Identifier: GPL-2.0
/*
 * What libmqbus-admin makes of messages: also of those that are shorter than they should be,
 * have unknown attributes, or none; and what it says where there is no module.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/genl.h>

#include "mqbus_admin.h"
#include "query.h"
#include "test.h"

/* A message with room for attributes, as the kernel would send it. */
static struct nl_msg *message(void)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, 0, 0, 32, 0, 0, MQBUS_CMD_TOPIC_GET, MQBUS_FAMILY_VERSION))
		abort();
	return msg;
}

static void test_values(void)
{
	struct nl_msg *msg = message();
	struct nlattr *tb[MQBUS_ATTR_MAX + 1];
	char name[8] = "before";

	nla_put_u32(msg, 1, 7);
	nla_put_u64(msg, 2, 1ULL << 40);
	nla_put(msg, 3, 2, "xx");
	nla_put(msg, 4, 4, "four");
	nla_put(msg, 5, 20, "longer than its room");
	nla_put_u32(msg, MQBUS_ATTR_MAX + 1, 9);
	TEST(!mqbus_query_parse(nlmsg_hdr(msg), tb), "a message with an unknown attribute is read");
	TEST(mqbus_attr_u32(tb[1]) == 7 && mqbus_attr_u64(tb[2]) == 1ULL << 40, "numbers");
	TEST(!mqbus_attr_u32(tb[3]) && !mqbus_attr_u64(tb[3]), "numbers that are too short are 0");
	TEST(!mqbus_attr_u64(tb[4]), "a number of four bytes is none of eight");
	TEST(!mqbus_attr_u32(NULL) && !mqbus_attr_u64(NULL), "numbers that are not there are 0");
	mqbus_attr_string(name, NULL, sizeof(name));
	TEST(!strcmp(name, "before"), "a string that is not there changes nothing");
	mqbus_attr_string(name, tb[5], sizeof(name));
	TEST(!strcmp(name, "longer "), "a string is cut to its room: '%s'", name);
	mqbus_attr_string(name, tb[4], sizeof(name));
	TEST(!strcmp(name, "four"), "a string without a NUL ends with its bytes: '%s'", name);
	nlmsg_free(msg);
}

static void test_cut(void)
{
	struct nl_msg *msg = message();
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct nlattr *tb[MQBUS_ATTR_MAX + 1];
	unsigned int whole, len, wrong = 0;

	nla_put_string(msg, MQBUS_A_TOPIC_NAME, "orders");
	nla_put_u64(msg, MQBUS_A_TOPIC_USED, 4096);
	whole = hdr->nlmsg_len;
	/* Copies of their own size, so that a byte read behind them is noticed */
	for (len = NLMSG_HDRLEN; len < whole; len++) {
		struct nlmsghdr *copy = malloc(len);
		char name[MQBUS_NAME_SIZE] = "";

		memcpy(copy, hdr, len);
		copy->nlmsg_len = len;
		if (!mqbus_query_parse(copy, tb)) {
			mqbus_attr_string(name, tb[MQBUS_A_TOPIC_NAME], sizeof(name));
			wrong += *name && strcmp(name, "orders");
			wrong += !!mqbus_attr_u64(tb[MQBUS_A_TOPIC_USED]);
		}
		free(copy);
	}
	TEST(!wrong, "of a message of %u bytes that is cut anywhere, attributes are whole", whole);
	nlmsg_free(msg);
}

static void test_absent(void)
{
	struct mqbus_admin_listener *l = NULL;
	struct mqbus_admin_topic *topics = NULL, topic;
	struct mqbus_admin_group *groups = NULL;
	size_t n = 77;

	if (!mqbus_admin_topic_list(&topics, &n)) {
		printf("# the module is loaded: what is said without it cannot be seen\n");
		free(topics);
		return;
	}
	TEST(mqbus_admin_topic_get("orders", &topic) == -ENODEV, "no module: a topic is -ENODEV");
	TEST(mqbus_admin_topic_list(&topics, &n) == -ENODEV, "no module: topics are -ENODEV");
	TEST(mqbus_admin_group_list(NULL, NULL, &groups, &n) == -ENODEV, "so are groups");
	TEST(!topics && !groups && n == 77, "what is not listed changes nothing");
	TEST(mqbus_admin_listener_open(&l, 4096) == -ENODEV && !l, "nor is there a listener");
	mqbus_admin_listener_close(l);
}

int main(void)
{
	test_begin();
	test_values();
	test_cut();
	test_absent();
	return test_end();
}
