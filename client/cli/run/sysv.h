/* SPDX-License-Identifier: MIT */
/* The System V shared memory segment that a PostgreSQL leaves when it is killed. */
#pragma once

/*
 * Removes the segment that the PostgreSQL of this data directory names in its postmaster.pid, if it
 * is still there and was made by that process and user. `data` is a directory, borrowed.
 */
void sysv_remove(int data);
