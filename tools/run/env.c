// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define HEADER_PREFIX "MQBUS_HEADER_"

static const char * const names[] = {
	"MQBUS_TOPIC", "MQBUS_GROUP", "MQBUS_PARTITION", "MQBUS_OFFSET", "MQBUS_ATTEMPT",
	"MQBUS_KEY", "MQBUS_ROUTING_KEY", "MQBUS_TIME",
};

/* Variables of an outer mqbus run, which are not of this record. */
static bool is_ours(const char *entry)
{
	size_t i, len = strcspn(entry, "=");

	if (!strncmp(entry, HEADER_PREFIX, strlen(HEADER_PREFIX)))
		return true;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], entry, len))
			return true;
	}
	return false;
}

/**
 * struct env - an environment being built
 * @entries: NULL behind the last one
 * @n: number of @entries
 * @text: room for the text of new entries
 */
struct env {
	char **entries;
	size_t n;
	char *text;
};

/* NAME=VALUE; a later one of that name replaces the earlier one. */
static void env_add(struct env *env, char *entry)
{
	size_t i, len = strcspn(entry, "=") + 1;

	for (i = 0; i < env->n; i++) {
		if (!strncmp(env->entries[i], entry, len)) {
			env->entries[i] = entry;
			return;
		}
	}
	env->entries[env->n++] = entry;
}

static void env_text(struct env *env, const char *name, const char *value)
{
	char *entry = env->text;

	env->text += sprintf(entry, "%s=%s", name, value) + 1;
	env_add(env, entry);
}

static void env_number(struct env *env, const char *name, __u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	env_text(env, name, text);
}

/* Bytes that an environment cannot hold are left out rather than cut. */
static void env_bytes(struct env *env, const char *prefix, const char *name, size_t name_len,
		      const void *value, size_t len)
{
	char *p = env->text;
	char *entry = p;
	size_t i;

	if (memchr(value, 0, len))
		return;
	p = stpcpy(p, prefix);
	for (i = 0; i < name_len; i++)
		*p++ = isascii(name[i]) && isalnum(name[i]) ? name[i] : '_';
	*p++ = '=';
	p = mempcpy(p, value, len);
	*p++ = '\0';
	env->text = p;
	env_add(env, entry);
}

static void env_record(struct env *env, const struct mqbus_record *r)
{
	struct mqbus_header_view h;
	const void *bytes;
	__u32 iter = 0;
	char time[32];
	size_t len;

	bytes = mqbus_record_key(r, &len);
	if (len)
		env_bytes(env, "MQBUS_KEY", "", 0, bytes, len);
	bytes = mqbus_record_routing_key(r, &len);
	if (len)
		env_bytes(env, "MQBUS_ROUTING_KEY", "", 0, bytes, len);
	snprintf(time, sizeof(time), "%llu.%09llu", r->time / 1000000000,
		 r->time % 1000000000);
	env_text(env, "MQBUS_TIME", time);
	while (mqbus_record_header(r, &iter, &h))
		env_bytes(env, HEADER_PREFIX, h.name, h.name_len, h.value, h.value_len);
}

char **run_env(const struct run *run, const struct mqbus_leased *lease,
	       const struct mqbus_record *record)
{
	/* Names, '=' and NUL; numbers; the parts of the record */
	size_t text = ARRAY_SIZE(names) * 48 + 2 * MQBUS_NAME_SIZE + record->key_len +
		      record->routing_key_len + record->headers_len;
	size_t entries = ARRAY_SIZE(names) + 1;
	struct mqbus_header_view h;
	struct env env = { 0 };
	__u32 iter = 0;
	char **e;

	while (mqbus_record_header(record, &iter, &h)) {
		text += sizeof(HEADER_PREFIX) + 1;
		entries++;
	}
	for (e = environ; *e; e++)
		entries++;
	env.entries = malloc(entries * sizeof(char *) + text);
	if (!env.entries)
		return NULL;
	env.text = (char *)(env.entries + entries);
	for (e = environ; *e; e++) {
		if (!is_ours(*e))
			env.entries[env.n++] = *e;
	}
	env_text(&env, "MQBUS_TOPIC", run->subject.topic);
	env_text(&env, "MQBUS_GROUP", run->subject.group);
	env_number(&env, "MQBUS_PARTITION", lease->partition);
	env_number(&env, "MQBUS_OFFSET", lease->offset);
	env_number(&env, "MQBUS_ATTEMPT", lease->attempt);
	env_record(&env, record);
	env.entries[env.n] = NULL;
	return env.entries;
}
