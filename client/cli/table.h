/* SPDX-License-Identifier: MIT */
/* The table of `berth ls` on a terminal. */
#pragma once

#include <stdbool.h>

#include "client/lib/berth.h"

/* Prints all rows, with their uid if wanted, as wide as the terminal. */
void table_show(struct berth_leases *list, bool with_uid);
