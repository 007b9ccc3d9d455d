/* SPDX-License-Identifier: MIT */
/*
 * reset_copy: brings a slot that is a database back by copying it anew, under the same name, role and
 * password. The role's sessions end with the old one.
 */
#pragma once

#include "daemon/reset.h"

/* As reset_start(), for a database. */
void reset_copy_start(const struct slot_site *site, struct slot *slot, bool force, reset_done *done, void *arg);
