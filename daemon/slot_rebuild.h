/* SPDX-License-Identifier: MIT */
/*
 * Building a slot anew in place: everything in its schema goes, and what its image says comes, under the
 * same name, role and password.
 */
#pragma once

#include "daemon/slot_build.h"

typedef void slot_rebuild_done(void *arg, struct slot *slot, const struct berth_error *e);

/* Once, never before it has returned. Without a baseline the schema is empty afterwards. */
void slot_rebuild_start(const struct slot_site *site, struct slot *slot, slot_rebuild_done *done, void *arg);
