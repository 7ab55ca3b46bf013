/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus topic is two files: topic.c, and create.c for what has many options.
 */
#ifndef MQBUS_TOPIC_H
#define MQBUS_TOPIC_H

int topic_create(int argc, char **argv);
int topic_set(int argc, char **argv);

#endif /* MQBUS_TOPIC_H */
