/* SPDX-License-Identifier: MIT */
/* Removing a left-behind segment; the file that names it is not trusted further than its owner. */
#include "client/cli/run/sysv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "client/cli/run/tree.h"

/* postmaster.pid: line 1 is the process id, line 7 the key and the id of the segment. */
static bool
read_segment(int data, int *ret_pid, int *ret_id)
{
	char text[1024], *line = text;

	if (tree_read(data, "postmaster.pid", text, sizeof text) < 0
	    || sscanf(text, "%d", ret_pid) != 1)
		return false;
	for (int n = 1; n < 7; n++) {
		line = strchr(line, '\n');
		if (!line)
			return false;
		line++;
	}
	return sscanf(line, "%*u %d", ret_id) == 1;
}

void
sysv_remove(int data)
{
	struct stat owner;
	struct shmid_ds segment;
	int pid, id;

	if (!read_segment(data, &pid, &id) || fstat(data, &owner) < 0
	    || shmctl(id, IPC_STAT, &segment) < 0)
		return;
	if (segment.shm_cpid == pid && segment.shm_perm.cuid == owner.st_uid)
		shmctl(id, IPC_RMID, NULL);
}
