/* SPDX-License-Identifier: MIT */
/*
 * adopt: a berthd that died, or was replaced, goes on as the next one on its socket.
 *
 *     journal ──→ leases and slots in memory, untouchable ──→ registry: which of them are there ──→
 *     templates read again ──→ all is as before; holders have reattach_ms to come back
 *
 * Nothing is trusted that both journal and registry do not say: a slot that the journal does not know, or
 * knows under another fence, was half-way to somewhere, and is dropped. A runner that was buried meanwhile
 * begins anew under another name.
 */
#pragma once

#include <stdbool.h>

#include "proto/errors.h"

struct berthd;
struct template;

struct adoption {
	struct berthd *berthd;
	bool under_way; /* leases of the earlier life are not to be touched yet */
	bool found;     /* the registry has said which slots are there */
};

/* Takes in what the journal says; before registry_start() and redis' first connection. */
void adopt_start(struct adoption *adoption, struct berthd *berthd);
/* Registry and PostgreSQL can be asked (again). */
void adopt_templates(struct adoption *adoption);
/* The template was asked about: its slots are complete, or never will be. UNAVAILABLE: it will be asked again. */
void adopt_template(struct adoption *adoption, struct template *template, const struct berth_error *e);
