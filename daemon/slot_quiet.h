/* SPDX-License-Identifier: MIT */
/*
 * Quiet: every session of a slot's role is ended, in rounds until none is left, and its prepared
 * transactions are rolled back. Of a role that others have too: the sessions in the slot's database, or those
 * that hold locks in its schema or bear its name (as the lease's options have it).
 *
 * Whoever wants that none comes back forbids logins, or changes the password, before. A backend that had
 * passed that check already, but is not shown yet as the role's, is waited for: it holds its virtual
 * transaction from before the check on (InitPostgres begins with it).
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/slot_build.h"
#include "proto/errors.h"

struct slot_quiet;

/* Once, never before the start has returned. BUSY: they do not end. */
typedef void slot_quiet_done(void *arg, const struct berth_error *e);

struct slot_quiet_config {
	const struct slot *slot; /* borrowed */
	int64_t role;      /* its role's OID */
	bool prepared;     /* roll back what it has prepared */
	bool starting;     /* wait for backends that are just starting */
};

struct slot_quiet *slot_quiet_start(const struct slot_site *site, struct event_base *base,
                                    const struct slot_quiet_config *config, slot_quiet_done *done, void *arg);
/* berthd is leaving: ends one that waits between two rounds, with UNAVAILABLE (one in a flow is ended by
 * pg_fini()). */
void slot_quiet_abandon(struct slot_quiet *quiet);
