/* SPDX-License-Identifier: MIT */
/* The statements about a slot's role: how it is made, what is set for it, its next password. */
#pragma once

#include "daemon/pg/sql.h"
#include "daemon/slot_build.h"

/* Each writes one statement, or nothing where nothing is needed. */
void slot_role_create(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Makes berthd a member, which it must be to act for the role when it is no superuser. */
void slot_role_join(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Exactly the settings that berth gives a role, whatever it had (a role may set some for itself). */
void slot_role_settings(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Sets, until the transaction ends, the search_path that the role has: functions that name nothing in full
 * find what they found when they were made. */
void slot_role_path(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* A condition: whether the role's settings are others. */
void slot_role_settings_differ(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* As many connections as the settings say, and so many more. */
void slot_role_limit(const struct slot_site *site, const struct slot *slot, int more, struct sql *sql);
/* slot->password becomes the role's, with the right to log in. */
void slot_role_password(const struct slot_site *site, const struct slot *slot, struct sql *sql);
