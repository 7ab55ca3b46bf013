// SPDX-License-Identifier: GPL-2.0
// The headers are also for C++.
#include <mqbus.h>
#include <mqbus_admin.h>

int main()
{
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	struct mqbus_msg msg = mqbus_msg_make("key", 3, "value", 5);
	struct mqbus_admin_topic topic = {};

	return !topic.partitions && config.partitions == 1 && msg.value_len == 5 ? 0 : 1;
}
