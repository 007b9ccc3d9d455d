/* SPDX-License-Identifier: MIT */
/* Choosing and becoming the servers' user. */
#include "client/cli/run/user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void
keep(struct user *user, const struct passwd *pw, bool other)
{
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	user->other = other;
	snprintf(user->name, sizeof user->name, "%s", pw->pw_name);
}

int
user_of_servers(struct user *user, struct berth_error *e)
{
	static const char *const candidates[] = { "postgres", "nobody" };

	if (geteuid() != 0) {
		*user = (struct user){ .uid = geteuid(), .gid = getegid() };
		return 0;
	}
	for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
		const struct passwd *pw = getpwnam(candidates[i]);

		if (pw && pw->pw_uid != 0) {
			keep(user, pw, true);
			return 0;
		}
	}
	return berth_error_set(
		e, BERTH_UNAVAILABLE,
		"PostgreSQL refuses to run as root, and there is neither a"
		" user `postgres` nor `nobody` to run it as (useradd --system postgres)");
}

int
user_become(const struct user *user)
{
	if (!user->other)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0)
		return -1;
	return setresuid(user->uid, user->uid, user->uid);
}

bool
user_can(const struct user *user, const char *path, int mode)
{
	pid_t pid;
	int status;

	if (!user->other)
		return access(path, mode) == 0;
	if (access(path, F_OK) < 0)
		return false;
	pid = fork();
	if (pid == 0)
		_exit(user_become(user) < 0 || access(path, mode) < 0 ? 1 : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
