// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/mqbus_netlink.h>

#include "common/cmd.h"
#include "common/escape.h"
#include "common/names.h"
#include "common/option.h"
#include "common/output.h"
#include "group.h"
#include "mqbus_admin.h"

static bool assigned(const struct mqbus_admin_member *m, __u32 i)
{
	return i < MQBUS_PARTITIONS_MAX && m->assigned[i / 8] & 1 << i % 8;
}

static json_t *assigned_json(const struct mqbus_admin_member *m)
{
	json_t *list = json_array();
	__u32 i;

	for (i = 0; i < MQBUS_PARTITIONS_MAX; i++) {
		if (assigned(m, i))
			json_array_append_new(list, json_integer(i));
	}
	return list;
}

/* As "0-3,7"; "..." in place of a rest without room. */
static const char *assigned_text(char *text, size_t size, const struct mqbus_admin_member *m)
{
	__u32 first, i;
	size_t len = 0;

	snprintf(text, size, "-");
	for (i = 0; i < MQBUS_PARTITIONS_MAX; i++) {
		if (!assigned(m, i))
			continue;
		if (size - len < sizeof(",1023-1023,...")) {
			snprintf(text + len, size - len, ",...");
			break;
		}
		for (first = i; assigned(m, i + 1);)
			i++;
		len += snprintf(text + len, size - len, first < i ? "%s%u-%u" : "%s%u",
				len ? "," : "", first, i);
	}
	return text;
}

static json_t *member_json(const struct mqbus_admin_member *m, bool queue)
{
	json_t *member;

	member = json_pack("{s:s* s:s s:I s:o s:I}",
			   "id", m->id[0] ? m->id : NULL,
			   "state", names_member_state(m->state),
			   "pid", (json_int_t)m->pid,
			   "comm", escape_json(m->comm, strlen(m->comm)),
			   "uid", (json_int_t)m->uid);
	if (queue) {
		json_object_set_new(member, "leases", json_integer(m->leases));
		if (m->credit != MQBUS_ANY)
			json_object_set_new(member, "credit", json_integer(m->credit));
	} else {
		json_object_set_new(member, "partitions", json_integer(m->partitions));
		json_object_set_new(member, "revoking", json_integer(m->revoking));
		json_object_set_new(member, "assigned", assigned_json(m));
	}
	return member;
}

static int members_json(const struct mqbus_admin_member *members, size_t n, bool queue)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, member_json(&members[i], queue));
	return output_json(list);
}

static int members_table(const struct mqbus_admin_member *m, size_t n, bool queue)
{
	struct table table = { 0 };
	char user[64], pid[16], credit[16], parts[64];

	table_head(&table, queue ?
		   "MEMBER\tSTATE\t>PID\tCOMMAND\tUSER\t>LEASES\t>CREDIT" :
		   "MEMBER\tSTATE\t>PID\tCOMMAND\tUSER\t>PARTITIONS\t>REVOKED\tASSIGNED");
	for (; n; m++, n--) {
		bool there = m->state != MQBUS_MEMBER_STATE_AWAY;

		snprintf(pid, sizeof(pid), m->pid ? "%u" : "-", m->pid);
		snprintf(credit, sizeof(credit), m->credit == MQBUS_ANY ? "-" : "%u", m->credit);
		if (queue)
			table_row(&table, "-\t%s\t%s\t%s\t%s\t%u\t%s",
				  names_member_state(m->state), pid, m->comm,
				  names_user(user, m->uid), m->leases, credit);
		else
			table_row(&table, "%s\t%s\t%s\t%s\t%s\t%u\t%u\t%s",
				  m->id[0] ? m->id : "-", names_member_state(m->state), pid,
				  there ? m->comm : "-",
				  there ? names_user(user, m->uid) : "-", m->partitions,
				  m->revoking, assigned_text(parts, sizeof(parts), m));
	}
	table_print(&table);
	return STATUS_OK;
}

int group_members(int argc, char **argv)
{
	struct error_subject subject = { .action = DO_GROUP_SEEK };
	struct mqbus_admin_member *members = NULL;
	struct mqbus_admin_group *groups = NULL;
	size_t n, nr_groups;
	bool json = false;
	int ret;

	ret = option_parse_json("Usage: mqbus group members TOPIC GROUP [-j|--json]\n\n"
				"List members with their partitions or leases. State: active, standby (there are\n"
				"fewer partitions than members), fenced (it did not release a partition in time\n"
				"and has not fetched since), away (its partitions are kept for it).\n",
				argc, argv, &json);
	if (ret >= 0)
		return ret;
	ret = group_names(argc, argv, "members", &subject);
	if (ret)
		return ret;
	/* A group without members is an empty list; a missing one is an error */
	ret = mqbus_admin_group_list(subject.topic, subject.group, &groups, &nr_groups);
	if (!ret && !nr_groups)
		ret = -ENOENT;
	if (!ret)
		ret = mqbus_admin_member_list(subject.topic, subject.group, &members, &n);
	if (ret) {
		ret = error_report(&subject, ret);
	} else {
		bool queue = groups->type == MQBUS_GROUP_QUEUE;

		ret = json ? members_json(members, n, queue) :
			     members_table(members, n, queue);
	}
	free(groups);
	free(members);
	return ret;
}
