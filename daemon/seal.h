/* SPDX-License-Identifier: MIT */
/*
 * seal: from a slot that a builder has migrated to a template that can be trusted.
 *
 *     lock out ──→ quiet ──→ take the image ──→ prove it ──→ write it ──→ hand over
 *
 * The builder's role gets another password and its sessions are ended, so nothing changes any more. The
 * image is proven: a slot is built from it, an image of that is taken, and both must be equal. Only then
 * the registry says `sealed`; the builder's lease goes on with the slot that was the proof.
 *
 * A database is not taken apart: it is copied, and the copy belongs to nobody and lets nobody in.
 *
 * lease    points to its seal while that is under way
 * seal     frees itself
 */
#pragma once

#include <event2/event.h>

#include "daemon/slot_build.h"
#include "proto/errors.h"

struct lease;
struct pool;
struct seal;

struct seal_site {
	const struct slot_site *slots;
	struct event_base *base;
	struct pool *pool;
	/* The lease goes on with this slot, HELD; the one before is released. */
	void (*hand_over)(void *arg, struct lease *lease, struct slot *proof);
	void *arg;
};

/* Once. e NULL: lease->want.template is sealed. The lease may have ended meanwhile: then it is NULL, and e says so. */
typedef void seal_done(void *arg, struct lease *lease, const struct berth_error *e);

/* The lease builds its template, and holds a slot. `site` is borrowed for as long as berthd runs. */
void seal_start(const struct seal_site *site, struct lease *lease);
/* Whoever asks for it hears of its end. */
void seal_join(struct seal *seal, seal_done *done, void *arg);
/* The lease ends: nothing comes of it. */
void seal_orphan(struct lease *lease);

/* The pool's news of a slot that was built for a lease which is being sealed. */
void seal_proof_built(struct seal *seal, struct slot *proof);
void seal_proof_failed(struct seal *seal, struct slot *proof, const struct berth_error *e);
/* berthd is leaving: after guests_fini() and pg_fini(); ends what waits for children and timers. */
void seal_abandon(struct seal *seal);
