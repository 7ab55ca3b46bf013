// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "forward.h"

int forward(const struct forward *f, bool *settling)
{
	struct mqbus_settle settle = { .lease = f->lease->lease, .what = MQBUS_ACK };
	struct mqbus_act acts[] = {
		mqbus_act_publish(f->producer, f->msgs, f->n),
		mqbus_act_settle(f->worker, &settle, 1),
	};
	struct mqbus_transact result;
	int ret;

	do {
		ret = mqbus_transact(acts, 2, f->slice, &result);
		*settling = ret && result.failed_act == 1;
		if (*settling || (ret != -ETIMEDOUT && ret != -EINTR))
			break;
	} while (f->wait(f->of));
	return ret;
}
