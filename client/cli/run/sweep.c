/* SPDX-License-Identifier: MIT */
/* A run directory that nobody has locked is nobody's: end what still works in it and remove it. */
#include "client/cli/run/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/run/processes.h"
#include "client/cli/run/rundir.h"

/* Between mkdtemp and flock a directory is unlocked, empty and young: not ours to remove. */
static bool
may_be_starting(int fd, const struct stat *st)
{
	DIR *list = fdopendir(dup(fd));
	int entries = 0;

	while (list && readdir(list))
		entries++;
	if (list)
		closedir(list);
	return entries <= 2 && time(NULL) - st->st_mtime < 60;
}

static bool
is_left(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && faccessat(fd, "kept", F_OK, 0) < 0
	       && flock(fd, LOCK_EX | LOCK_NB) == 0 && !may_be_starting(fd, &st);
}

/* Its servers, if the kernel has not, and what its command had started. */
static void
end_processes(const struct rundir *dir)
{
	char variable[sizeof dir->path + 32];

	snprintf(variable, sizeof variable, "BERTH_SOCKET=%s/berth.sock", dir->path);
	processes_kill_remains(dir->path, variable);
}

static void
sweep_one(const char *place, const char *name)
{
	struct rundir dir = { 0 };

	if ((size_t)snprintf(dir.path, sizeof dir.path, "%s/%s", place, name) >= sizeof dir.path)
		return;
	dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir.fd < 0)
		return;
	if (is_left(dir.fd)) {
		end_processes(&dir);
		rundir_remove(&dir);
	}
	close(dir.fd);
}

void
sweep(const char *place)
{
	DIR *list = opendir(place);
	const struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (strncmp(entry->d_name, "berth-run-", strlen("berth-run-")) == 0)
			sweep_one(place, entry->d_name);
	if (list)
		closedir(list);
}
