/* SPDX-License-Identifier: MIT */
/* note: one statement that nobody waits for; should it get lost, that is logged. */
#pragma once

#include "daemon/pg/sql.h"

struct pg;

/* Takes the text out of `statement`. */
void note_send(struct pg *pg, const char *what, struct sql *statement);
