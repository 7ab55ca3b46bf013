// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "escape.h"
#include "holder.h"
#include "mqbus_admin.h"
#include "names.h"

#define DO_ANY		(~0)
#define DO_QUEUE	(DO_QUEUE_CREATE | DO_QUEUE_SET)
#define DO_GROUP_MAKE	(DO_GROUP_CREATE | DO_QUEUE_CREATE)
#define DO_GROUP_ADMIN	(DO_GROUP_DELETE | DO_GROUP_SEEK | DO_QUEUE_SET | DO_GROUP_SET)
#define DO_GROUPS	(DO_GROUP_MAKE | DO_GROUP_ADMIN | DO_JOIN | DO_WORK | DO_WAIT)

/**
 * struct sentence - a message
 * @actions: the actions that it is for
 * @err: the errno that it is for
 * @text: {words} are replaced, see expand()
 */
struct sentence {
	int actions;
	int err;
	const char *text;
};

/* The first match is used */
static const struct sentence sentences[] = {
	{ DO_ANY, ENODEV, "/dev/mqbus does not exist: load the module (modprobe mqbus)" },
	{ DO_ANY, ENXIO,
	  "'{bus}', which MQBUS_BUS names, is no bus, or this user may not open it (mqbus bus pin, where the bus is)",
	},
	{ DO_LISTEN, EXDEV,
	  "MQBUS_BUS names the bus of another network namespace, whose events are heard there alone (run it there)",
	},
	{ DO_ANY, EILSEQ,
	  "a name has only letters, digits and ._:@- and does not begin with '.' or '-'",
	},
	{ DO_ANY, ENAMETOOLONG, "a name has at most 127 bytes" },
	{ DO_ANY, EIDRM, "was deleted" },
	{ DO_ANY, ENOTTY, "the loaded module is older than this program: it lacks this call" },
	{ DO_QUEUE_CREATE, EOPNOTSUPP,
	  "a topic that evicts cannot have queue groups (topic create --full block)",
	},
	{ DO_TOPIC_SET, EOPNOTSUPP,
	  "--full cannot change to or from evict, and a topic that evicts takes no --share (topic show; topic create --full)",
	},
	{ DO_ANY, EOPNOTSUPP,
	  "the loaded module is older than this program: it lacks this option",
	},
	{ DO_ANY, E2BIG, "the loaded module is older than this program: it lacks this option" },

	{ DO_TOPIC_CREATE, EEXIST, "exists already (topic show; topic delete)" },
	{ DO_TOPIC_CREATE, ENOSPC,
	  "{bytes} bytes are over the limit of {space}; topic delete)",
	},
	{ DO_TOPIC_CREATE, EDQUOT,
	  "{bytes} bytes are over what user {uid} has left of {max_user_bytes} bytes: {used_user_bytes} are in use, also through its user namespaces (/sys/module/mqbus/parameters/max_user_mbytes; topic delete)",
	},
	{ DO_TOPIC_CREATE, EMFILE,
	  "{here} has its maximum of {max_topics} topics (sysctl net.mqbus.max_topics; topic delete)",
	},
	{ DO_TOPIC_CREATE, EOVERFLOW, "partitions times bytes overflows" },
	{ DO_TOPIC_CREATE, ENOMEM,
	  "the machine or the memory cgroup has no {bytes} bytes left (--size, --partitions)",
	},
	{ DO_TOPIC_CREATE, EPERM,
	  "only root (CAP_CHOWN) may give a topic to another user (--owner)" },
	{ DO_TOPIC_SET, EPERM, "only its owner or root (CAP_DAC_OVERRIDE) may change it" },
	{ DO_TOPIC_CREATE | DO_TOPIC_SET | DO_TOPIC_DELETE, EINVAL, "a name must not be empty" },
	{ DO_TOPIC_DELETE, EPERM, "only its owner or root (CAP_DAC_OVERRIDE) may delete it" },

	{ DO_QUEUE, ELOOP,
	  "dead letters would come back to the topic, directly or through the dead letters of '{dlq}': choose another (--dlq)",
	},
	{ DO_QUEUE, EMSGSIZE,
	  "the largest record would not fit, with the headers of a dead letter, into '{dlq}' (topic create --max-record, --size), or not into the retry ring (--retry-size)",
	},
	{ DO_QUEUE_CREATE, ENOSPC,
	  "room for {bytes} records in flight and the retry ring is over the limit of {space}; --max-inflight, --retry-size)",
	},
	{ DO_QUEUE_CREATE, EDQUOT,
	  "room for {bytes} records in flight and the retry ring is over what user {uid} has left of {max_user_bytes} bytes: {used_user_bytes} are in use, also through its user namespaces (--max-inflight, --retry-size; /sys/module/mqbus/parameters/max_user_mbytes)",
	},
	{ DO_QUEUE_CREATE, ENOMEM,
	  "the machine or the memory cgroup has no room for {bytes} records in flight and the retry ring (--max-inflight, --retry-size)",
	},
	{ DO_QUEUE_SET, EBADFD,
	  "is a stream group, which has other options (--rebalance-timeout, --grace)",
	},
	{ DO_QUEUE_SET, EBUSY,
	  "dead letters wait for their topic, so it cannot be removed (group show; --dlq another)",
	},
	{ DO_GROUP_SET, EBADFD, "is a queue group, which has other options (group set --help)" },

	{ DO_GROUP_MAKE, EEXIST, "exists already (group show; group delete; group seek)" },
	{ DO_GROUP_MAKE, EMFILE,
	  "the topic has its maximum of {max_groups} groups (sysctl net.mqbus.max_groups; group delete)",
	},
	{ DO_GROUP_ADMIN, EPERM,
	  "only the owner of the group or of the topic, or root, may do this (group list)",
	},
	{ DO_GROUP_DELETE, EBUSY, "has members (group show; --force deletes it all the same)" },
	{ DO_GROUP_SEEK, EBUSY,
	  "has members, or records that wait for another attempt (group show; --force moves it and gives these up)",
	},
	{ DO_GROUPS, EINVAL, "a name must not be empty" },

	{ DO_JOIN, EMFILE, "the group has its maximum of 4096 members (group show)" },

	{ DO_PRODUCE, EPERM,
	  "the producer's name belongs to another user (--name; root may take it)",
	},
	{ DO_PRODUCE, EMFILE,
	  "all the 1024 names of producers that the topic remembers are in use (topic show; --name)",
	},
	{ DO_PRODUCE, EUSERS,
	  "the topic has limits for each user, and producers or records of 255 users, its maximum (topic show)",
	},
	{ DO_PRODUCE | DO_TOPIC_DELETE | DO_TOPIC_SET | DO_LIST, ENOENT,
	  "there is no such topic in {here} (topic list; topic create)",
	},

	{ DO_PUBLISH, EMSGSIZE,
	  "record of {bytes} bytes is over the maximum of {limit} (topic create --max-record)",
	},
	{ DO_PUBLISH, ENOBUFS,
	  "the topic is full and rejects records: a group is behind or there is none (topic show; topic create --size, --full)",
	},
	{ DO_PUBLISH, EAGAIN,
	  "the topic is full: a group is behind or there is none (topic show; --timeout)",
	},
	{ DO_PUBLISH, ETIMEDOUT,
	  "the topic stayed full for the whole timeout: a group is behind or there is none, or a rate or share is used up (topic show; --timeout)",
	},
	{ DO_PUBLISH, EXFULL,
	  "a rate, or this user's share of the topic, is used up, and the topic rejects records over it (topic show; topic set --rate, --user-rate, --share, --over block)",
	},
	{ DO_PUBLISH, EUSERS,
	  "the topic has limits for each user, and records of 255 users, its maximum (topic show)",
	},
	{ DO_PUBLISH, ENOLINK,
	  "fenced: another producer has opened the name, and this one stores nothing any more",
	},
	{ DO_PUBLISH, EPROTO, "the sequence number leaves a gap behind the last one stored" },
	{ DO_WAIT, ETIMEDOUT,
	  "has not settled all published records within the timeout (group show; --timeout)",
	},
	{ DO_WAIT, EAGAIN,
	  "has not settled all published records (group show; --timeout)",
	},
	{ DO_FETCH, ENOLINK,
	  "fenced: another member has joined with this id (--member)",
	},
	{ DO_FETCH | DO_LEASE, ETIMEDOUT, "no record came within the timeout (--timeout)" },
	{ DO_FETCH, EBADFD, "is a queue group: its records are leased (sub -t queue)" },
	{ DO_COMMIT, ESTALE,
	  "its partitions moved to another member, which reads the records again",
	},
	{ DO_COMMIT, ENOLINK,
	  "fenced: revoked partitions were not released in time, and other members read the last records again (group set --rebalance-timeout)",
	},

	{ DO_WORK | DO_LEASE, EBADFD,
	  "is a stream group: its records are not leased (group create -t queue)",
	},
	{ DO_LISTEN, EPERM,
	  "before Linux 6.8 only root (CAP_SYS_ADMIN) may listen to events",
	},

	{ DO_SETTLE, ENOENT, "there was never a lease of that number" },
	{ DO_SETTLE, EPERM, "another member has this lease" },
	{ DO_SETTLE, EALREADY, "was settled before" },
	{ DO_SETTLE, ETIMEDOUT, "the lease expired: the record is handed out again (--lease)" },
	{ DO_SETTLE, ESTALE, "the lease ended, and the record was handed out again (--lease)" },
	{ DO_SETTLE, ERANGE, "a delay is up to 30 days" },
};

static void describe(const struct error_subject *s, struct text *out)
{
	escape_printf(out, "mqbus: ");
	if (s->topic)
		escape_printf(out, "topic '%s'%s", s->topic, s->group ? " " : "");
	if (s->group)
		escape_printf(out, "group '%s'", s->group);
	if (s->topic || s->group)
		escape_printf(out, ": ");
	if (s->where)
		escape_printf(out, "%s: ", s->where);
}

/* In one write, since others may write there, too. */
static void say(struct text *line)
{
	text_add(line, "\n", 1);
	text_write(line, stderr);
}

int error_say(const struct error_subject *s, const char *fmt, ...)
{
	struct text line = { 0 };
	va_list args;

	describe(s, &line);
	va_start(args, fmt);
	escape_vprintf(&line, fmt, args);
	va_end(args);
	say(&line);
	return STATUS_FAILED;
}

/* The value of a word in a message; limits are queried only when needed. */
static __u64 word_value(const struct error_subject *s, const char *word, size_t len)
{
	struct mqbus_info info;
	const struct {
		const char *word;
		const __u64 value;
	} known[] = {
		{ "bytes", s->bytes },
		{ "limit", s->limit },
		{ "uid", getuid() },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].word) == len && !memcmp(known[i].word, word, len))
			return known[i].value;
	}
	if (mqbus_info(&info))
		return 0;
	if (!strncmp(word, "used_user_bytes", len))
		return info.used_user_bytes;
	if (!strncmp(word, "max_user_bytes", len))
		return info.max_user_bytes;
	if (!strncmp(word, "max_topics", len))
		return info.max_topics;
	return info.max_groups;
}

/* What has the topics. @bus: of MQBUS_BUS, or "" */
static void expand_here(struct text *out, const char *bus)
{
	escape_printf(out, "%s%s%s", *bus ? "the bus '" : "this network namespace", bus,
		      *bus ? "'" : "");
}

/* Those above a limit, or from before it was lowered, may have more than all of it */
static __u64 left_of(__u64 max, __u64 used)
{
	return max > used ? max - used : 0;
}

/* Whose limit of bytes is reached, of the two that ENOSPC may mean: the one with less left */
static void expand_space(struct text *out, const char *bus)
{
	struct mqbus_info info;

	if (mqbus_info(&info))
		return;
	if (left_of(info.max_machine_bytes - info.max_machine_bytes / 16, info.used_machine_bytes) <
	    left_of(info.max_bytes, info.used_bytes)) {
		text_printf(out,
			    "the machine: %llu of %llu bytes are in use, and a 16th is root's (/sys/module/mqbus/parameters/max_mbytes",
			    info.used_machine_bytes, info.max_machine_bytes);
		return;
	}
	expand_here(out, bus);
	text_printf(out, ": %llu of %llu are in use (sysctl net.mqbus.max_bytes",
		    info.used_bytes, info.max_bytes);
}

static void expand(const struct error_subject *s, const char *text, struct text *out)
{
	const char *open, *close, *bus = secure_getenv("MQBUS_BUS") ?: "";

	while ((open = strchr(text, '{'))) {
		close = strchr(open, '}');
		text_add(out, text, open - text);
		if (!strncmp(open + 1, "dlq", 3))
			escape_printf(out, "%s", s->dlq ? s->dlq : "--dlq");
		else if (!strncmp(open + 1, "space", 5))
			expand_space(out, bus);
		else if (!strncmp(open + 1, "bus", 3))
			escape_printf(out, "%s", bus);
		else if (!strncmp(open + 1, "here", 4))
			expand_here(out, bus);
		else
			text_printf(out, "%llu", word_value(s, open + 1, close - open - 1));
		text = close + 1;
	}
	text_add(out, text, strlen(text));
}

static int status_of(int err)
{
	if (err == ETIMEDOUT)
		return STATUS_TIMEOUT;
	if (err == EINTR && cmd_signal())
		return STATUS_SIGNAL + cmd_signal();
	return STATUS_FAILED;
}

/* For calls with several names: whether the topic or the group is missing */
static int report_missing(const struct error_subject *s)
{
	struct error_subject topic = { .action = DO_LIST, .topic = s->topic };
	struct mqbus_admin_topic found;
	struct mqbus_admin_group *groups;
	size_t n = s->action == DO_QUEUE_CREATE;

	if (mqbus_admin_topic_get(s->topic, &found) == -ENOENT)
		return error_report(&topic, -ENOENT);
	if (s->action == DO_QUEUE_SET && !mqbus_admin_group_list(s->topic, s->group, &groups, &n))
		free(groups);
	/* Both exist, so it is the third */
	if (n && s->dlq)
		return error_say(s,
				 "there is no topic '%s' for dead letters (topic create; or 'mqbus queue', which makes all)",
				 s->dlq);
	return error_say(s, "the topic has no such group (group list; group create)");
}

static int report_partition(const struct error_subject *s)
{
	/* The partition exists, but the CPU selects it */
	if (s->partition < s->partitions)
		return error_say(s, "a per-CPU topic takes no partition (--partition)");
	return error_say(s, "there is no partition %u: the topic has %u, from 0",
			 s->partition, s->partitions);
}

/* Whether this user may publish to a topic: try to open it. */
static bool may_write(const char *topic)
{
	struct mqbus_producer *p;
	int ret;

	ret = mqbus_producer_open(&p, topic);
	if (!ret)
		mqbus_producer_close(p);
	return ret != -EACCES;
}

/* Which of topic and group does not let this user, whose it is, and the bit that its mode lacks */
static int report_denied(const struct error_subject *s)
{
	const char *bit = s->action & DO_GROUP_MAKE ? "x" : s->action == DO_PRODUCE ? "w" : "r";
	struct mqbus_admin_group *groups;
	struct mqbus_admin_topic topic;
	char owner[64];
	size_t n = 0;

	/* A topic that this user may not read is not listed */
	if (mqbus_admin_topic_get(s->topic, &topic))
		return error_say(s,
				 "the topic's mode lacks %s for user %u (its owner: topic set %s --mode)",
				 s->action == DO_PRODUCE ? "w" : "r", getuid(), s->topic);
	names_user(owner, topic.uid);
	if (s->action & DO_GROUP_MAKE)
		return error_say(s,
				 "the topic is %s's, and its mode %04o lacks %s for user %u, who may create no group that holds records: read without a group (mqbus sub %s), or group create --observer (its owner: topic set %s --mode)",
				 owner, topic.mode, bit, getuid(), s->topic, s->topic);
	if (!s->group)
		return error_say(s,
				 "the topic is %s's, and its mode %04o lacks %s for user %u (its owner: topic set %s --mode)",
				 owner, topic.mode, bit, getuid(), s->topic);
	bit = s->action == DO_WAIT ? "r" : "w";
	if (mqbus_admin_group_list(s->topic, s->group, &groups, &n) || !n)
		return error_say(s,
				 "the group's mode lacks %s for user %u (its owner: group set %s %s --mode)",
				 bit, getuid(), s->topic, s->group);
	names_user(owner, groups->uid);
	error_say(s,
		  "the group is %s's, and its mode %04o lacks %s for user %u (its owner: group set %s %s --mode)",
		  owner, groups->mode, bit, getuid(), s->topic, s->group);
	free(groups);
	return STATUS_FAILED;
}

/* Records were not stored: for how long that was tried, and whose fault it is */
static int report_refused(const struct error_subject *s, int err)
{
	struct text line = { 0 };

	describe(s, &line);
	escape_printf(&line, "%s: ", err == ETIMEDOUT ? "not stored within the timeout" :
		      err == EAGAIN ? "not stored at once" : "rejected");
	holder_tell_why(s->topic, s->why, &line);
	say(&line);
	return status_of(err);
}

int error_report(const struct error_subject *s, int err)
{
	const struct sentence *sentence;
	struct text line = { 0 };
	size_t i;

	err = -err;
	if (s->why && (err == ETIMEDOUT || err == EAGAIN || err == ENOBUFS || err == EXFULL))
		return report_refused(s, err);
	if (err == ENOENT && s->action & DO_GROUPS)
		return report_missing(s);
	if (err == ECHRNG)
		return report_partition(s);
	if (err == EACCES && s->dlq && !may_write(s->dlq))
		return error_say(s,
				 "the mode of '%s' does not let this user publish dead letters (topic show: w)",
				 s->dlq);
	if (err == EACCES && access("/dev/mqbus", R_OK | W_OK))
		return error_say(s, "this user may not open /dev/mqbus (its mode)");
	if (err == EACCES && s->topic)
		return report_denied(s);
	for (i = 0; i < ARRAY_SIZE(sentences); i++) {
		sentence = &sentences[i];
		if (sentence->err == err && sentence->actions & s->action) {
			describe(s, &line);
			expand(s, sentence->text, &line);
			say(&line);
			return status_of(err);
		}
	}
	error_say(s, "%s", strerror(err));
	return status_of(err);
}
