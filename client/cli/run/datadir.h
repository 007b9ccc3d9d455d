/* SPDX-License-Identifier: MIT */
/* PostgreSQL's data directory of a run: a copy of a cached one, or fresh from initdb. */
#pragma once

#include "client/cli/run/servers.h"

/* Makes `data` in the run's directory, with a superuser `postgres` and a database `app`. */
int datadir_make(struct servers *servers, struct berth_error *e);
/* The cached one was no good: throws it away, with the copy, and makes it anew. */
int datadir_remake(struct servers *servers, struct berth_error *e);
