/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus group: create.c has create and set, members.c members, group.c the rest.
 */
#ifndef MQBUS_GROUP_H
#define MQBUS_GROUP_H

#include "common/error.h"

int group_create(int argc, char **argv);
int group_set(int argc, char **argv);
int group_pause(int argc, char **argv);
int group_resume(int argc, char **argv);
int group_members(int argc, char **argv);

/* The two names that most commands take; returns the exit status. */
int group_names(int argc, char **argv, const char *command, struct error_subject *subject);

#endif /* MQBUS_GROUP_H */
