/* SPDX-License-Identifier: MIT */
/*
 * Sweeping templates: those that others have dropped are forgotten here, those that nobody has used for long,
 * or that are beyond the budget, are dropped; never one of which a lease is held.
 */
#pragma once

#include "daemon/template.h"

/* With every heartbeat; most of them do little. */
void templates_sweep(struct templates *templates);

/* Once, never before it has returned. NULL: it is dropped. NOTEMPLATE, INUSE. */
typedef void template_drop_done(void *arg, const struct berth_error *e);
/* Drops what is sealed under the key, of both kinds. */
void template_drop(struct templates *templates, const char *key, template_drop_done *done, void *arg);
