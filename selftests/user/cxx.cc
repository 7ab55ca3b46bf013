// SPDX-License-Identifier: GPL-2.0
// The header is also for C++.
#include <mqbus.h>

int main()
{
	struct mqbus_topic_config config = MQBUS_TOPIC_CONFIG_INIT;
	struct mqbus_msg msg = mqbus_msg_make("key", 3, "value", 5);

	return config.partitions == 1 && msg.value_len == 5 ? 0 : 1;
}
