/* SPDX-License-Identifier: MIT */
/* The connection of berthd's that is logged in as a slot's role: slot->guest. */
#pragma once

#include "daemon/slot_build.h"

/* Opens it, unless it is open. */
void slot_open_guest(const struct slot_site *site, struct slot *slot);
/* Closes it, if it is open; no flow of its may be left. */
void slot_close_guest(struct slot *slot);
