// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cmd.h"
#include "parse.h"

#define NS_PER_SEC 1000000000ULL

/**
 * struct unit - a suffix of a number
 * @suffix: as written
 * @factor: its factor
 */
struct unit {
	const char *suffix;
	__u64 factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1ULL << 10 }, { "k", 1ULL << 10 }, { "KiB", 1ULL << 10 },
	{ "M", 1ULL << 20 }, { "m", 1ULL << 20 }, { "MiB", 1ULL << 20 },
	{ "G", 1ULL << 30 }, { "g", 1ULL << 30 }, { "GiB", 1ULL << 30 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "", NS_PER_SEC },
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", NS_PER_SEC },
	{ "m", 60 * NS_PER_SEC },
	{ "h", 3600 * NS_PER_SEC },
	{ "d", 86400 * NS_PER_SEC },
	{ NULL, 0 },
};

int parse_choice(const char * const *words, __u32 n, const char *s, __u32 *out)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		if (!strcmp(words[i], s)) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_number(const char *s, __u64 max, __u64 *out)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_u32(const char *s, __u32 max, __u32 *out)
{
	__u64 v;

	if (parse_number(s, max, &v))
		return -EINVAL;
	*out = v;
	return 0;
}

/*
 * DIGITS[.DIGITS] times @factor, in integers, since a double has too few bits for
 * a time in nanoseconds. *@end is set behind the number.
 */
static int parse_decimal(const char *s, const char **end, __u64 *whole,
			 __u64 *billionths)
{
	__u64 scale = 100000000;
	char *rest;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*whole = strtoull(s, &rest, 10);
	if (errno)
		return -EINVAL;
	*billionths = 0;
	if (*rest == '.') {
		rest++;
		if (!isdigit((unsigned char)*rest))
			return -EINVAL;
		for (; isdigit((unsigned char)*rest); rest++, scale /= 10)
			*billionths += scale * (*rest - '0');
	}
	*end = rest;
	return 0;
}

static int parse_with_unit(const char *s, const struct unit *unit, __u64 *out)
{
	__u64 whole, billionths, part;
	const char *end;

	if (parse_decimal(s, &end, &whole, &billionths))
		return -EINVAL;
	while (unit->suffix && strcmp(unit->suffix, end))
		unit++;
	if (!unit->suffix || __builtin_mul_overflow(whole, unit->factor, &whole))
		return -EINVAL;
	/* Their product may overflow, so the billions are taken out first */
	part = billionths * (unit->factor / 1000000000) +
	       billionths * (unit->factor % 1000000000) / 1000000000;
	if (__builtin_add_overflow(whole, part, &whole))
		return -EINVAL;
	*out = whole;
	return 0;
}

int parse_size(const char *s, __u64 *out)
{
	return parse_with_unit(s, size_units, out);
}

int parse_duration(const char *s, __u64 *out)
{
	return parse_with_unit(s, time_units, out);
}

int parse_timeout(const char *s, __s64 *out)
{
	__u64 ns;

	if (parse_duration(s, &ns) || ns > INT64_MAX)
		return -EINVAL;
	*out = ns;
	return 0;
}

int parse_interval(const char *s, __u64 *out)
{
	__u64 ns;

	if (parse_duration(s, &ns) || ns < 1000000 || ns > MQBUS_DELAY_MAX)
		return -EINVAL;
	*out = ns;
	return 0;
}

int parse_rate(const char *s, bool unit, __u64 *out)
{
	size_t len = strlen(s);
	char number[32];
	__u64 v;

	if (!strcmp(s, "none")) {
		*out = 0;
		return 0;
	}
	if (len > 2 && !strcmp(s + len - 2, "/s"))
		len -= 2;
	if (len >= sizeof(number))
		return -EINVAL;
	memcpy(number, s, len);
	number[len] = '\0';
	if (unit ? parse_size(number, &v) : parse_number(number, MQBUS_RATE_MAX, &v))
		return -EINVAL;
	if (v > MQBUS_RATE_MAX)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_round_up(__u64 *size)
{
	__u64 rounded = 1;

	while (rounded && rounded < *size)
		rounded <<= 1;
	if (!rounded)
		return -EINVAL;
	*size = rounded;
	return 0;
}

/* Copy up to the next ':' into @word; returns the rest, or NULL if there is none. */
static const char *parse_word(const char *s, char word[32])
{
	size_t len = strcspn(s, ":");

	/* Too long for any number, so make it invalid */
	snprintf(word, 32, "%.*s", (int)(len < 31 ? len : 0), s);
	return s[len] ? s + len + 1 : NULL;
}

/* A decimal number in hundredths. */
static int parse_hundredths(const char *s, __u32 *out)
{
	static const struct unit hundredths[] = { { "", 100 }, { NULL, 0 } };
	__u64 v;

	if (parse_with_unit(s, hundredths, &v) || v >= MQBUS_ANY)
		return -EINVAL;
	*out = v;
	return 0;
}

static int parse_percent(char *s, __u32 *out)
{
	size_t len = strlen(s);

	if (len && s[len - 1] == '%')
		s[len - 1] = '\0';
	return parse_u32(s, MQBUS_ANY - 1, out);
}

int parse_share(const char *s, __u32 *out)
{
	char word[32];
	__u32 v = 0;

	if (strcmp(s, "none")) {
		if (parse_word(s, word) || parse_percent(word, &v) || !v || v > 100)
			return -EINVAL;
	}
	*out = v;
	return 0;
}

int parse_backoff(const char *s, struct mqbus_queue_options *queue)
{
	__u64 min, max = MQBUS_BACKOFF_MAX_DEFAULT;
	__u32 factor = MQBUS_BACKOFF_FACTOR_DEFAULT, jitter = 0;
	char word[32];

	s = parse_word(s, word);
	if (parse_duration(word, &min))
		return -EINVAL;
	if (max < min)
		max = min;
	if (s) {
		s = parse_word(s, word);
		if (parse_duration(word, &max) || max < min)
			return -EINVAL;
	}
	if (s) {
		s = parse_word(s, word);
		if (parse_hundredths(word, &factor) || !factor)
			return -EINVAL;
	}
	if (s) {
		s = parse_word(s, word);
		if (parse_percent(word, &jitter))
			return -EINVAL;
	}
	if (s)
		return -EINVAL;
	queue->backoff_min = min ? min : MQBUS_BACKOFF_NONE;
	queue->backoff_max = min ? max : 0;
	queue->backoff_factor = min ? factor : 0;
	queue->backoff_jitter = min ? jitter : 0;
	return 0;
}

int parse_mode(const char *s, __u32 allowed, __u32 *out)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '7')
		return -EINVAL;
	v = strtoul(s, &end, 8);
	if (*end || v & ~(unsigned long)allowed)
		return -EINVAL;
	*out = v;
	return 0;
}

__u32 parse_default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int parse_uid(const char *s, __u32 *out)
{
	const struct passwd *pw;

	if (!parse_u32(s, MQBUS_ANY - 1, out))
		return 0;
	pw = getpwnam(s);
	if (!pw)
		return -EINVAL;
	*out = pw->pw_uid;
	return 0;
}

static int parse_gid(const char *s, __u32 *out)
{
	const struct group *gr;

	if (!parse_u32(s, MQBUS_ANY - 1, out))
		return 0;
	gr = getgrnam(s);
	if (!gr)
		return -EINVAL;
	*out = gr->gr_gid;
	return 0;
}

int parse_owner(const char *s, __u32 *uid, __u32 *gid)
{
	__u32 u = MQBUS_ANY, g = MQBUS_ANY;
	const char *colon = strchr(s, ':');
	char user[256];
	size_t len = colon ? (size_t)(colon - s) : strlen(s);

	if (len >= sizeof(user) || !*s)
		return -EINVAL;
	memcpy(user, s, len);
	user[len] = '\0';
	if (len && parse_uid(user, &u))
		return -EINVAL;
	if (colon && parse_gid(colon + 1, &g))
		return -EINVAL;
	*uid = u;
	*gid = g;
	return 0;
}

/* The rest of a date after the seconds: [.FRACTION] and Z, +HH:MM, -HH:MM or nothing. */
static int parse_zone(const char *s, struct tm *tm, time_t *seconds, __u64 *ns)
{
	struct tm zone = { 0 };
	__u64 zero;
	char digits[32] = "0";
	size_t n;

	*ns = 0;
	if (*s == '.') {
		n = 1 + strspn(s + 1, "0123456789");
		if (n == 1 || n > 20)
			return -EINVAL;
		memcpy(digits + 1, s, n);
		digits[n + 1] = '\0';
		if (parse_decimal(digits, &(const char *){ NULL }, &zero, ns))
			return -EINVAL;
		s += n;
	}
	if (!*s) {
		tm->tm_isdst = -1;
		*seconds = mktime(tm);
		return 0;
	}
	s = strptime(s, "%z", &zone);
	if (!s || *s)
		return -EINVAL;
	*seconds = timegm(tm) - zone.tm_gmtoff;
	return 0;
}

static int parse_date(const char *s, __u64 *ns)
{
	static const char * const formats[] = {
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
	};
	__u64 fraction;
	time_t seconds;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(s, formats[i], &tm);

		if (!rest || parse_zone(rest, &tm, &seconds, &fraction))
			continue;
		if (seconds < 0)
			return -EINVAL;
		*ns = seconds * NS_PER_SEC + fraction;
		return 0;
	}
	return -EINVAL;
}

int parse_place(const char *s, struct place_spec *out)
{
	struct place_spec place = { .whence = MQBUS_WHENCE_OFFSET };

	if (!strcmp(s, "earliest")) {
		place.whence = MQBUS_WHENCE_EARLIEST;
	} else if (!strcmp(s, "latest")) {
		place.whence = MQBUS_WHENCE_LATEST;
	} else if (*s == '@') {
		static const struct unit seconds[] = { { "", NS_PER_SEC }, { NULL, 0 } };

		place.whence = MQBUS_WHENCE_TIME;
		if (parse_with_unit(s + 1, seconds, &place.value) &&
		    parse_date(s + 1, &place.value))
			return -EINVAL;
	} else if (parse_number(s, ULLONG_MAX, &place.value)) {
		return -EINVAL;
	}
	*out = place;
	return 0;
}

int parse_move(const char *s, struct place_spec *out)
{
	__u64 n;

	if (*s != '+' && *s != '-')
		return parse_place(s, out);
	if (parse_number(s + 1, LLONG_MAX, &n))
		return -EINVAL;
	out->whence = MQBUS_WHENCE_SHIFT;
	out->value = *s == '-' ? -n : n;
	return 0;
}
