// SPDX-License-Identifier: GPL-2.0
/*
 * A namespace's bus under a path, for containers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/cmd.h"
#include "common/option.h"

#define OWN_BUS "/proc/self/ns/net"

static const struct option_row no_rows[] = { { 0 } };

/* The path, the only argument; NULL: *@status is the exit status */
static const char *take_path(const struct option_table *table, const char *what, int argc,
			     char **argv, int *status)
{
	*status = option_parse(table, argc, argv, NULL);
	if (*status >= 0)
		return NULL;
	if (argc - optind == 1)
		return argv[optind];
	*status = cmd_usage_error("bus %s takes one PATH", what);
	return NULL;
}

static bool is_namespace(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == NSFS_MAGIC;
}

static bool is_same_file(const char *path, const char *other)
{
	struct stat a, b;

	return !stat(path, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The last directory of the path */
static int make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (!slash || slash == path)
		return 0;
	if (slash - path >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(dir, path, slash - path);
	dir[slash - path] = '\0';
	return mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
}

/* Remove what was mounted on, unless it has content: then it is not ours */
static void remove_empty(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISREG(st.st_mode) && !st.st_size)
		unlink(path);
}

static int may_not_mount(const char *what, const char *path, int err)
{
	if (err == EPERM)
		return cmd_failed("%s '%s': only root may mount (CAP_SYS_ADMIN), on the machine",
				  what, path);
	return cmd_failed("%s '%s': %s", what, path, strerror(err));
}

static const struct option_table pin_table = {
	.usage = "Usage: mqbus bus pin PATH\n\n"
		 "Mount the bus of this network namespace on PATH, which is created, so that processes\n"
		 "of other namespaces find it: MQBUS_BUS=PATH mqbus ...\n",
	.rows = no_rows,
};

static int bus_pin(int argc, char **argv)
{
	int status, fd, err;
	const char *path = take_path(&pin_table, "pin", argc, argv, &status);

	if (!path)
		return status;
	if (is_namespace(path)) {
		if (is_same_file(path, OWN_BUS))
			return STATUS_OK;
		return cmd_failed("bus pin '%s': another namespace is there (mqbus bus unpin %s)",
				  path, path);
	}
	err = -make_directory(path);
	if (err)
		return cmd_failed("bus pin '%s': %s", path, strerror(err));
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0444);
	if (fd < 0)
		return cmd_failed("bus pin '%s': %s", path, strerror(errno));
	close(fd);
	if (!mount(OWN_BUS, path, NULL, MS_BIND, NULL))
		return STATUS_OK;
	err = errno;
	remove_empty(path);
	return may_not_mount("bus pin", path, err);
}

static const struct option_table unpin_table = {
	.usage = "Usage: mqbus bus unpin PATH\n\n"
		 "Undo mqbus bus pin. Who has entered the bus stays there; it lives as long as a process\n"
		 "of its namespace, or an open endpoint.\n",
	.rows = no_rows,
};

static int bus_unpin(int argc, char **argv)
{
	int status;
	const char *path = take_path(&unpin_table, "unpin", argc, argv, &status);

	if (!path)
		return status;
	if (!is_namespace(path))
		return cmd_failed("bus unpin '%s': no bus is pinned there", path);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
		return may_not_mount("bus unpin", path, errno);
	/* One that is pinned below is not covered any more */
	if (!is_namespace(path))
		remove_empty(path);
	return STATUS_OK;
}

static const struct cmd commands[] = {
	{ "pin", bus_pin, "mount this namespace's bus on a path" },
	{ "unpin", bus_unpin, "remove it from there" },
	{ NULL, NULL, NULL },
};

int cmd_bus(int argc, char **argv)
{
	return cmd_dispatch(commands, "mqbus bus", argc, argv);
}
