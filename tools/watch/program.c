// SPDX-License-Identifier: GPL-2.0
/*
 * Commands with libraries that no other command needs are separate programs, so that
 * the others start without them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cmd.h"

/* Its place relative to this program's directory: built, or installed */
static const char * const places[] = { "", "../", "../libexec/mqbus/" };

/*
 * Whether a file belongs to root or to this program's owner: if this program was copied to a
 * directory where anybody may create files, anybody may have created the other one.
 */
static bool is_trusted(const char *path)
{
	struct stat self, file;

	/* Not through a link, which could be changed */
	return !lstat(path, &file) && !stat("/proc/self/exe", &self) &&
	       (!file.st_uid || file.st_uid == self.st_uid);
}

static int program_exec(const char *name, char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	if (n < 0)
		return cmd_failed("/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	strrchr(self, '/')[1] = '\0';
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s%s%s", self, places[i], name);
		if (!access(path, F_OK) && !is_trusted(path))
			return cmd_failed("%s: is of another user than this program", path);
		execv(path, argv);
		if (errno != ENOENT)
			return cmd_failed("%s: %s", path, strerror(errno));
	}
	return cmd_failed("%s is not installed beside this program", name);
}

int cmd_top(int argc, char **argv)
{
	(void)argc;
	return program_exec("mqbus-top", argv);
}

int cmd_exporter(int argc, char **argv)
{
	(void)argc;
	return program_exec("mqbus-exporter", argv);
}
