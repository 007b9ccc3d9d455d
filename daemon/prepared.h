/* SPDX-License-Identifier: MIT */
/*
 * A prepared transaction is rolled back in its database, and by who has prepared it or a superuser: so by a
 * guest of berthd's own login that becomes that role.
 */
#pragma once

#include "daemon/slot_build.h"
#include "proto/errors.h"

/* Once, never before prepared_end() has returned; `sqlstate` is "" where there is none. */
typedef void prepared_done(void *arg, const struct berth_error *e, const char *sqlstate);

/* The texts are copied. `site` is borrowed until done. */
void prepared_end(const struct slot_site *site, const char *role, const char *database, const char *gid,
                  prepared_done *done, void *arg);
