/* SPDX-License-Identifier: MIT */
/*
 * Filling a slot's empty schema from an image, and taking the baseline by which it is known from then
 * on. All of it is done by the slot's own role: what an image holds is code of its maker's.
 */
#pragma once

#include "daemon/image.h"
#include "daemon/slot_build.h"

/* Once, never before slot_fill_start() has returned. On success slot->baseline is that of `image`. */
typedef void slot_fill_done(void *arg, struct slot *slot, const struct berth_error *e);

void slot_fill_start(const struct slot_site *site, struct slot *slot, struct image *image, slot_fill_done *done,
                     void *arg);
/* The baseline alone: the schema is as `image` says already. */
void slot_fill_baseline(const struct slot_site *site, struct slot *slot, struct image *image, slot_fill_done *done,
                        void *arg);
