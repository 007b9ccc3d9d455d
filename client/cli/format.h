/* SPDX-License-Identifier: MIT */
/* FORMATs: text with {field} in it, for the variables that a lease becomes. */
#pragma once

#include "client/lib/berth.h"

/* 0, or USAGE with the position of what is wrong and the fields there are. Needs no lease. */
int format_check(const char *format, struct berth_error *e);
/*
 * The format filled in from a held lease, to be freed; {{ and }} stand for braces. What the lease
 * does not have is empty; *missing (or NULL) says whether a field was. The format must be checked.
 */
char *format_expand(const char *format, const struct berth_lease *lease, bool *missing);
