/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words for the numbers of the contract.
 */
#ifndef MQBUS_NAMES_H
#define MQBUS_NAMES_H

#include <linux/types.h>

/* The word for an enum mqbus_full. */
const char *names_full(__u32 full);
/* Its number, or -EINVAL. */
int names_full_parse(const char *word, __u32 *full);
/* The word for an enum mqbus_over, and its number. */
const char *names_over(__u32 over);
int names_over_parse(const char *word, __u32 *over);
/* The word for an enum mqbus_group_type, and its number. */
const char *names_group_type(__u32 type);
int names_group_type_parse(const char *word, __u32 *type);
/* The word for an enum mqbus_settlement, and its number. */
const char *names_settlement(__u32 what);
int names_settlement_parse(const char *word, __u32 *what);
/* The word for an enum mqbus_event_kind, and its number. */
const char *names_event(__u32 kind);
int names_event_parse(const char *word, __u32 *kind);
/* The word for an enum mqbus_member_state. */
const char *names_member_state(__u32 state);
/* A user's or group's name, else its number; returns @buf. */
const char *names_user(char buf[64], __u32 uid);
const char *names_group(char buf[64], __u32 gid);

#endif /* MQBUS_NAMES_H */
