/* SPDX-License-Identifier: MIT */
/* Finding processes in /proc and ending them: descendants, or what a killed run left. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Sends `sig` (0: only count) to every living descendant of `root`, but to no member of the
 * subtrees of `except` (count may be 0). Only those that began at or after `since` (clock ticks
 * since boot, see process_began(); 0 for all) are meant. Returns how many there are.
 */
size_t
processes_signal(pid_t root, const pid_t *except, size_t count, unsigned long long since, int sig);
/* When a process began, in clock ticks since boot; 0 when there is no such process. */
unsigned long long process_began(pid_t pid);
/*
 * Kills every process that works in the directory `path` or was started with `variable`
 * (NAME=value) in its environment; but not us, our ancestors, or who has a terminal. Returns how
 * many there were.
 */
size_t processes_kill_remains(const char *path, const char *variable);
