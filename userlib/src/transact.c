// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "device.h"

int mqbus_transact(const struct mqbus_act *acts, unsigned int n, int64_t timeout_ns,
		   struct mqbus_transact *result)
{
	struct mqbus_transact arg = {
		.count = n,
		.acts = mqbus_device_address(acts),
		.act_size = sizeof(*acts),
		.timeout = mqbus_device_timeout(timeout_ns),
		.failed_act = MQBUS_ANY,
		.failed_element = MQBUS_ANY,
	};
	int ret = -ERANGE;

	/* The call works on any endpoint, and this one is open */
	if (n)
		ret = mqbus_device_call(acts[0].fd, MQBUS_IOC_TRANSACT, &arg);
	if (result)
		*result = arg;
	return ret;
}
