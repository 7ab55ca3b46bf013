/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which bus: that of the caller's network namespace, or the one that MQBUS_BUS names. Both
 * libraries have this.
 */
#ifndef MQBUS_BUS_H
#define MQBUS_BUS_H

#include <stdbool.h>

/*
 * A descriptor of the network namespace that the environment names, in *@fd, or -1 if it names
 * none. Return: 0, -ENXIO if there is no such file, or it may not be opened; or another negative
 * errno.
 */
int mqbus_bus_open(int *fd);
/* Whether *@fd of mqbus_bus_open() is a namespace other than the caller's. */
bool mqbus_bus_is_other(int fd);

#endif /* MQBUS_BUS_H */
