/* SPDX-License-Identifier: MIT */
/*
 * `berth run`: a private PostgreSQL, Redis and berthd around one command, gone without a trace.
 *
 *     berth run (main)      in the shell's process group; passes signals and exit status on
 *     ├─ berth-witness      in the same group; tells its signals from those to main alone
 *     └─ berth-keeper       in a group of its own; outlives a killed main until all is clean
 *        ├─ postgres, redis-server, berthd     sessions of their own; die with the keeper
 *        └─ CMD             in main's group: Ctrl-C reaches it as if it ran alone
 *
 * The keeper is the parent of everything and a subreaper, so whatever CMD leaves behind, however it
 * was detached, is still its descendant, and is ended. If the keeper is killed, main inherits all
 * of it and cleans up instead. If both are killed at once, the kernel ends the servers and CMD
 * (PR_SET_PDEATHSIG), and the next `berth run` sweeps the files: the directory's lock is free then.
 */
#pragma once

/*
 * Runs `berth run` with the arguments that follow `run` (argv[0] is not looked at). Returns the exit
 * status: CMD's own; 2 for wrong usage; 69 when a program is missing or a server does not start.
 * Does not return when CMD was killed by a signal (it dies likewise) or a daemon is there already
 * (it becomes CMD).
 */
int run_main(int argc, char **argv);
