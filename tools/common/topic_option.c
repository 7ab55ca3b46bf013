// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "option.h"
#include "output.h"
#include "parse.h"
#include "topic_option.h"

enum {
	OPT_MODE = OPTION_LONG, OPT_OWNER, OPT_RETENTION_SIZE, OPT_RATE, OPT_RATE_BYTES,
	OPT_USER_RATE, OPT_USER_RATE_BYTES, OPT_BURST, OPT_SHARE, OPT_OVER,
};

__u64 topic_option_max_record(const struct mqbus_topic_config *config)
{
	if (config->max_record)
		return config->max_record;
	return config->size / 4 < MQBUS_RECORD_DEFAULT ? config->size / 4 : MQBUS_RECORD_DEFAULT;
}

/* ERANGE is one errno for three numbers: find the wrong one. */
static int report_range(const struct error_subject *s,
			const struct mqbus_topic_config *config)
{
	if (config->partitions > MQBUS_PARTITIONS_MAX)
		return error_say(s, "%u partitions are over the maximum of %u (--partitions)",
				 config->partitions, MQBUS_PARTITIONS_MAX);
	if (config->size < MQBUS_RING_MIN || config->size > MQBUS_RING_MAX)
		return error_say(s, "a ring has %llu to %llu bytes, not %llu (--size)",
				 MQBUS_RING_MIN, MQBUS_RING_MAX, (__u64)config->size);
	return error_say(s,
			 "a record has up to half of the ring and %u bytes, not %u (--max-record)",
			 MQBUS_RECORD_MAX, config->max_record);
}

static void tell_rate(const char *whom, __u64 rate, __u64 bytes)
{
	char size[32];

	if (rate)
		printf(", up to %llu records/s %s", rate, whom);
	output_size(size, bytes);
	if (bytes)
		printf(", up to %s/s %s", size, whom);
}

void topic_option_tell(const char *name, const struct mqbus_topic_config *config)
{
	char size[32], max[32], kept[32], time[32] = "for ever";

	if (config->retention)
		output_duration(time, config->retention);
	output_size(size, config->size);
	output_size(max, topic_option_max_record(config));
	output_size(kept, config->retention_size);
	if (config->partitions)
		printf("topic '%s': %u x %s", name, config->partitions, size);
	else
		printf("topic '%s': %s for each CPU", name, size);
	printf(", %s when full, records up to %s, kept %s, mode %04o",
	       names_full(config->full), max, time, config->mode);
	if (config->retention_size)
		printf(", up to %s of them", kept);
	tell_rate("in all", config->rate, config->rate_bytes);
	tell_rate("for each user", config->user_rate, config->user_rate_bytes);
	if (config->share)
		printf(", at most %u%% of a ring for each user", config->share);
	if (config->rate || config->rate_bytes || config->user_rate || config->user_rate_bytes ||
	    config->share)
		printf(", %s over that", names_over(config->over));
	putchar('\n');
}

static int parse_partitions(const char *s, __u32 *out)
{
	if (!strcmp(s, "per-cpu")) {
		*out = 0;
		return 0;
	}
	return parse_u32(s, MQBUS_ANY, out) || !*out ? -EINVAL : 0;
}

static int take_rate(const char *option, bool unit, __u64 *out)
{
	if (parse_rate(optarg, unit, out))
		return cmd_bad_value(option, optarg, unit ? "bytes a second such as 1M/s, or none" :
						     "records a second such as 1000/s, or none");
	return STATUS_OK;
}

/* For topics with limits of producers or of retention. */
static int limit_option(struct mqbus_topic_config *config, int key)
{
	__u64 v;

	switch (key) {
	case OPT_RETENTION_SIZE:
		if (parse_size(optarg, &v))
			return cmd_bad_value("--retention-size", optarg,
					     "bytes such as 512K; 0: all");
		config->retention_size = v;
		break;
	case OPT_RATE:
		return take_rate("--rate", false, (__u64 *)&config->rate);
	case OPT_RATE_BYTES:
		return take_rate("--rate-bytes", true, (__u64 *)&config->rate_bytes);
	case OPT_USER_RATE:
		return take_rate("--user-rate", false, (__u64 *)&config->user_rate);
	case OPT_USER_RATE_BYTES:
		return take_rate("--user-rate-bytes", true, (__u64 *)&config->user_rate_bytes);
	case OPT_BURST:
		if (parse_duration(optarg, &v) || !v || v > MQBUS_DELAY_MAX)
			return cmd_bad_value("--burst", optarg, "a time such as 5s, up to 30d");
		config->burst = v;
		break;
	case OPT_SHARE:
		if (parse_share(optarg, &config->share))
			return cmd_bad_value("--share", optarg, "1% to 100%, or none");
		break;
	case OPT_OVER:
		if (names_over_parse(optarg, &config->over))
			return cmd_bad_value("--over", optarg, "block or reject");
		break;
	}
	return STATUS_OK;
}

static int config_option(struct mqbus_topic_config *config, int key)
{
	__u64 v;

	switch (key) {
	case 'n':
		if (parse_partitions(optarg, &config->partitions))
			return cmd_bad_value("--partitions", optarg, "a number or per-cpu");
		break;
	case 's':
		if (parse_size(optarg, &v) || parse_round_up(&v))
			return cmd_bad_value("--size", optarg, "bytes such as 64K or 1M");
		config->size = v;
		break;
	case 'f':
		if (names_full_parse(optarg, &config->full))
			return cmd_bad_value("--full", optarg, "block, reject or evict");
		break;
	case 'm':
		if (parse_size(optarg, &v) || !v || v > MQBUS_ANY)
			return cmd_bad_value("--max-record", optarg, "bytes such as 4K");
		config->max_record = v;
		break;
	case 'r':
		if (parse_duration(optarg, &v))
			return cmd_bad_value("--retention", optarg, "a time such as 10m or 500ms");
		config->retention = v;
		break;
	case OPT_MODE:
		if (parse_mode(optarg, 0777, &config->mode))
			return cmd_bad_value("--mode", optarg, "octal of r, w and x, such as 0640");
		break;
	case OPT_OWNER:
		if (parse_owner(optarg, &config->uid, &config->gid))
			return cmd_bad_value("--owner", optarg, "UID[:GID] that exist");
		break;
	default:
		return limit_option(config, key);
	}
	return STATUS_OK;
}

/* The bits of MQBUS_TOPIC_SET_* for an option; 0: it is for new topics only. */
static __u32 field(const struct mqbus_topic_config *config, int key)
{
	static const __u32 fields[] = {
		[OPT_MODE - OPTION_LONG] = MQBUS_TOPIC_SET_MODE,
		[OPT_RETENTION_SIZE - OPTION_LONG] = MQBUS_TOPIC_SET_RETENTION_SIZE,
		[OPT_RATE - OPTION_LONG] = MQBUS_TOPIC_SET_RATE,
		[OPT_RATE_BYTES - OPTION_LONG] = MQBUS_TOPIC_SET_RATE_BYTES,
		[OPT_USER_RATE - OPTION_LONG] = MQBUS_TOPIC_SET_USER_RATE,
		[OPT_USER_RATE_BYTES - OPTION_LONG] = MQBUS_TOPIC_SET_USER_RATE_BYTES,
		[OPT_BURST - OPTION_LONG] = MQBUS_TOPIC_SET_BURST,
		[OPT_SHARE - OPTION_LONG] = MQBUS_TOPIC_SET_SHARE,
		[OPT_OVER - OPTION_LONG] = MQBUS_TOPIC_SET_OVER,
	};

	if (key == OPT_OWNER)
		return (config->uid == MQBUS_ANY ? 0 : MQBUS_TOPIC_SET_UID) |
		       (config->gid == MQBUS_ANY ? 0 : MQBUS_TOPIC_SET_GID);
	if (key >= OPTION_LONG)
		return fields[key - OPTION_LONG];
	return key == 'f' ? MQBUS_TOPIC_SET_FULL : key == 'r' ? MQBUS_TOPIC_SET_RETENTION : 0;
}

static int take_option(void *into, int key)
{
	struct topic_options *o = into;
	__u32 what;
	int ret;

	ret = config_option(&o->config, key);
	what = field(&o->config, key);
	o->fields |= what;
	o->fixed |= !what;
	return ret;
}

static const struct option_row fixed[] = {
	{ "partitions", 'n', "N|per-cpu",
	  "rings (default 1); per-cpu: one for each CPU,\n"
	  "without any order" },
	{ "size", 's', "BYTES", "of each ring (default 1M), rounded up to a power of two" },
	{ "max-record", 'm', "BYTES", "largest record (default 64K, at most 1/4 of the ring)" },
	{ 0 }
};

static const struct option_row changeable_rest[] = {
	{ "retention", 'r', "TIME", "drop records after this time (default: only for space)" },
	{ "retention-size", OPT_RETENTION_SIZE, "BYTES",
	  "drop records when a ring has more than this" },
	{ "mode", OPT_MODE, "OCTAL", "r reads, w publishes, x creates groups that hold records,\n"
	  "as the owner always may (default 0666 less the umask)" },
	{ "owner", OPT_OWNER, "UID[:GID]", "numbers or names (default: the caller)" },
	{ "rate", OPT_RATE, "N/s", "records a second, of all producers together" },
	{ "rate-bytes", OPT_RATE_BYTES, "BYTES/s", "bytes a second, as stored in the ring" },
	{ "user-rate", OPT_USER_RATE, "N/s, --user-rate-bytes BYTES/s",
	  "the same for the producers of each user" },
	{ "user-rate-bytes", OPT_USER_RATE_BYTES, "BYTES/s", .hidden = true },
	{ "burst", OPT_BURST, "TIME", "save up an unused rate for this long (default 1s)" },
	{ "share", OPT_SHARE, "PERCENT", "of each ring that records of one user may take" },
	{ "over", OPT_OVER, "block|reject",
	  "over a rate or share the producer waits (default), or\n"
	  "gets an error" },
	{ 0 }
};

static const struct option_table rest = {
	.rows = changeable_rest, .column = 30, .take = take_option,
};

static const struct option_row changeable[] = {
	{ "full", 'f', "block|reject|evict",
	  "what a full topic does: the producer waits (default),\n"
	  "it gets an error, the oldest records are dropped" },
	{ .table = &rest },
	{ 0 }
};

static const struct option_row of_queue[] = {
	{ "full", 'f', "block|reject",
	  "what a full topic does: the producer waits (default), or\n"
	  "it gets an error (one that evicts has no queue groups)" },
	{ .table = &rest },
	{ 0 }
};

const struct option_table topic_option_fixed = {
	.rows = fixed, .column = 30, .take = take_option,
};

const struct option_table topic_option_changeable = {
	.rows = changeable, .column = 30, .take = take_option,
};

const struct option_table topic_option_of_queue = {
	.rows = of_queue, .column = 30, .take = take_option,
};

int topic_option_create(struct error_subject *subject, const struct mqbus_topic_config *config)
{
	struct mqbus_info info = { 0 };
	int ret;

	subject->action = DO_TOPIC_CREATE;
	ret = mqbus_topic_create(subject->topic, config);
	if (ret == -ERANGE)
		return report_range(subject, config);
	if (!ret)
		return STATUS_OK;
	if (ret == -EOPNOTSUPP && config->share && config->full == MQBUS_FULL_EVICT)
		return error_say(subject,
				 "a topic that evicts takes no --share (--full)");
	if (!config->partitions)
		mqbus_info(&info);
	subject->bytes = config->size * (config->partitions ? config->partitions : info.cpus);
	return error_report(subject, ret);
}
