// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "mqbus.h"
#include "names.h"

static const char * const full_words[] = {
	[MQBUS_FULL_BLOCK] = "block",
	[MQBUS_FULL_REJECT] = "reject",
	[MQBUS_FULL_EVICT] = "evict",
};

const char *names_full(__u32 full)
{
	return full < ARRAY_SIZE(full_words) ? full_words[full] : "unknown";
}

int names_full_parse(const char *word, __u32 *full)
{
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(full_words); i++) {
		if (!strcmp(full_words[i], word)) {
			*full = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *names_group_type(__u32 type)
{
	return type == MQBUS_GROUP_STREAM ? "stream" : "unknown";
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
