/* SPDX-License-Identifier: MIT */
/*
 * The Lua scripts in lua/, one for each transition of the registry: Redis runs each of them whole and
 * alone, so what one checks still holds when it acts.
 *
 * They run in META (the registry's database) and SELECT others when they must; a SELECT inside a
 * script ends with it. They are sent as text (EVAL) each time: about two kilobytes, and no cache of
 * scripts that a restart, a failover or SCRIPT FLUSH could empty.
 *
 * The registry in META:
 *   berth:claims       hash    db → "runner fence state user": who holds it; state is `held`, or
 *                              `ending` once it was taken over from a dead runner; user `-`: none
 *   berth:runner:<id>  string  there while the runner is alive (PX grace)
 *   berth:meta         hash    what outlives claims:
 *     fence                    the last fence; the next is max(it + 1, the time in µs), so that fences
 *                              rise even when the registry is lost
 *     ended:<db>               the last fence that was given back: a claim that is missing was either
 *                              given back (this says so) or lost with the registry
 *     epoch                    "run_id µs": which life of which server this is, and since when. After
 *                              another one begins, claims may be missing that are still in use
 */
#pragma once

/* Each file says what it takes and answers. */
enum redis_script {
	SCRIPT_BEAT,
	SCRIPT_CHECK,
	SCRIPT_CLAIM,
	SCRIPT_HELLO,
	SCRIPT_ORPHANS,
	SCRIPT_REAP,
	SCRIPT_RELEASE,
	SCRIPT_USERS,
	REDIS_SCRIPTS
};

/* Borrowed, static. */
const char *redis_script(enum redis_script script);
