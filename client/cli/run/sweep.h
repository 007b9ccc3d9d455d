/* SPDX-License-Identifier: MIT */
/* Sweeping the directories of runs whose main and keeper were both killed. */
#pragma once

/* Removes our user's unlocked run directories in `place` (say /dev/shm), and who works there. */
void sweep(const char *place);
