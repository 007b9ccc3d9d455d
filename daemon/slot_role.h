/* SPDX-License-Identifier: MIT */
/*
 * A slot's role: which it is, and the statements about it: how it is made, what is set for it, its next
 * password. One that is shared is left as it is; all of them write nothing then.
 */
#pragma once

#include <stdbool.h>

#include "daemon/pg/sql.h"
#include "daemon/slot_build.h"

/* A role of its own, or the one that the settings say. */
void slot_role_choose(const struct slot_site *site, struct slot *slot);
/* Whether that is still the one that the slot has; its password is the one that the settings say, then. */
bool slot_role_is_chosen(const struct slot_site *site, struct slot *slot);

/* Each writes one statement, or nothing where nothing is needed. */
void slot_role_create(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Makes berthd a member, which it must be to act for the role when it is no superuser. */
void slot_role_join(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Exactly the settings that berth gives a role, whatever it had (a role may set some for itself). */
void slot_role_settings(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Sets, until the transaction ends, the search_path that the role has: functions that name nothing in full
 * find what they found when they were made. */
void slot_role_path(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Whose it is, as its comment. */
void slot_role_stamp(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* A condition: whether the role's settings are others. */
void slot_role_settings_differ(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* As many connections as the settings say, and so many more. */
void slot_role_limit(const struct slot_site *site, const struct slot *slot, int more, struct sql *sql);
/* slot->password becomes the role's, with the right to log in. */
void slot_role_password(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* The same with a new one: whoever knew the old is locked out. */
void slot_role_renew(const struct slot_site *site, struct slot *slot, struct sql *sql);
