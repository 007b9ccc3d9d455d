/* SPDX-License-Identifier: MIT */
/*
 * Taking the image of a slot's schema: pg_dump for the definitions, one array literal a table for the
 * rows, positions of sequences. Everything is read by the slot's own role.
 *
 * What an image cannot carry is refused with its name: large objects, casts, extensions, default
 * privileges of the whole database, whatever the role owns outside of its schema.
 */
#pragma once

#include "daemon/image.h"
#include "daemon/slot_build.h"
#include "proto/errors.h"

struct guest;
struct image_take;

/* Once, never before the start has returned. `image` is the callee's reference; NULL: `e` says why. */
typedef void image_take_done(void *arg, struct image *image, const struct berth_error *e);

/* `guest` is logged in as the slot's role, and borrowed until done. With `settings` what the role has set for
 * itself (ALTER ROLE … SET) is refused too. */
struct image_take *image_take_start(const struct slot_site *site, struct guest *guest, const struct slot *slot,
                                    bool settings, image_take_done *done, void *arg);
/* After its done(). Takes NULL. */
void image_take_free(struct image_take *take);
