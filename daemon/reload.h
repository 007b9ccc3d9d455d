/* SPDX-License-Identifier: MIT */
/* reload: a running daemon takes new settings. */
#pragma once

#include "daemon/config.h"

struct berthd;

/*
 * Reads the settings again; those that a running daemon can take are in force when it returns. `ret`
 * (to be config_changes_fini()ed) lists all that differs from before; the log hears of it too. -1:
 * something in them is wrong, and nothing has changed.
 */
int reload(struct berthd *berthd, struct config_changes *ret, struct berth_error *e);
