/* SPDX-License-Identifier: MIT */
/* The tables of the registry, and the roles that all leases need: made where they are missing, brought to this version. */
#pragma once

struct config;
struct sql;

/* One statement, to be run as often as one likes. It raises what cannot be mended here: a schema of somebody else's, a
 * copy, damage, another version, roles that we may not make or act for. */
void registry_tables_write(const struct config *config, struct sql *sql);
