/* SPDX-License-Identifier: MIT */
/* Sweeping the directories of runs whose main and keeper were both killed. */
#pragma once

/* Looks through `place` (say /dev/shm) and removes our user's unlocked run directories, and what still works there. */
void sweep(const char *place);
