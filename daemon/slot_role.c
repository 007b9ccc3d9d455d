/* SPDX-License-Identifier: MIT */
/* One place for what a slot's role is. */
#include "daemon/slot_role.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/random.h"
#include "daemon/config.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/pg/scram.h"
#include "daemon/pg/target.h"

/* With berthd's own login its own password is right, unless the settings say another. */
static const char *
shared_password(const struct slot_site *site)
{
	const struct config *config = site->config;
	const struct pg_target *ours = site->guests->target;

	if (*config->lease_role_password || strcmp(config->lease_role, pg_target_value(ours, "user")) != 0)
		return config->lease_role_password;
	return pg_target_value(ours, "password");
}

void
slot_role_choose(const struct slot_site *site, struct slot *slot)
{
	if (*site->config->lease_role)
		slot_share(slot, site->config->lease_role, shared_password(site));
}

bool
slot_role_is_chosen(const struct slot_site *site, struct slot *slot)
{
	const char *shared = site->config->lease_role;

	if (strcmp(slot->role, *shared ? shared : slot->name) != 0)
		return false;
	slot_role_choose(site, slot);
	return true;
}

void
slot_role_create(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	char verifier[SCRAM_TEXT];

	if (slot_is_shared(slot))
		return;
	scram_verifier(slot->password, site->config->scram_iterations, verifier);
	sql_add(sql, "CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT %d PASSWORD %L"
	             " IN ROLE berth_lease",
	        slot->role, site->config->role_connections, verifier);
}

void
slot_role_stamp(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	if (!slot_is_shared(slot))
		slot_write_stamp(site, slot, "ROLE", sql);
}

void
slot_role_limit(const struct slot_site *site, const struct slot *slot, int more, struct sql *sql)
{
	int limit = site->config->role_connections;

	if (!slot_is_shared(slot))
		sql_add(sql, "ALTER ROLE %I CONNECTION LIMIT %d", slot->role, limit < 0 ? limit : limit + more);
}

void
slot_role_password(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	char verifier[SCRAM_TEXT];

	if (slot_is_shared(slot))
		return;
	scram_verifier(slot->password, site->config->scram_iterations, verifier);
	sql_add(sql, "ALTER ROLE %I LOGIN CONNECTION LIMIT %d PASSWORD %L", slot->role, site->config->role_connections,
	        verifier);
}

void
slot_role_renew(const struct slot_site *site, struct slot *slot, struct sql *sql)
{
	if (!slot_is_shared(slot))
		random_secret(slot->password);
	slot_role_password(site, slot, sql);
}

/* From 16 on membership alone does not carry the right to act as the role. */
void
slot_role_join(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	const struct pg_facts *facts = pg_facts(site->pg);

	if (!facts || facts->superuser || slot_is_shared(slot))
		return;
	sql_add(sql, "GRANT %I TO CURRENT_USER%s", slot->role,
	        facts->version >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : "");
}

/* Leases find shared enums by their names alone, wherever they are. */
static bool
shares_elsewhere(const struct slot_site *site)
{
	return strcmp(site->config->enum_schema, "public") != 0;
}

static void
add_search_path(const struct slot_site *site, struct sql *sql)
{
	sql_add(sql, "\"$user\", ");
	if (shares_elsewhere(site))
		sql_add(sql, "%I, ", site->config->enum_schema);
	sql_add(sql, "public");
}

/* As PostgreSQL writes it down: with quotes only where they are needed. */
static void
add_search_path_kept(const struct slot_site *site, struct sql *sql)
{
	sql_add(sql, "'search_path=\"$user\", '");
	if (shares_elsewhere(site))
		sql_add(sql, " || pg_catalog.quote_ident(%L) || ', '", site->config->enum_schema);
	sql_add(sql, " || 'public'");
}

void
slot_role_path(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	struct sql path = { 0 };

	sql_add(&path, "%I, ", slot->name);
	if (shares_elsewhere(site))
		sql_add(&path, "%I, ", site->config->enum_schema);
	sql_add(&path, "public");
	sql_add(sql, "SELECT pg_catalog.set_config('search_path', %L, true)", path.text);
	sql_fini(&path);
}

void
slot_role_settings(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	struct sql body = { 0 };

	if (slot_is_shared(slot))
		return;
	sql_add(&body,
	        "DECLARE d name; BEGIN FOR d IN SELECT datname FROM pg_catalog.pg_db_role_setting s"
	        " JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"
	        " WHERE r.rolname = %L LOOP EXECUTE pg_catalog.format('ALTER ROLE %%I IN DATABASE %%I RESET ALL', %L, d);"
	        " END LOOP; ALTER ROLE %I RESET ALL; ",
	        slot->role, slot->role, slot->role);
	sql_add(&body, "ALTER ROLE %I SET search_path = ", slot->role);
	add_search_path(site, &body);
	sql_add(&body,
	        "; ALTER ROLE %I SET jit = off; ALTER ROLE %I SET statement_timeout = %d;"
	        " ALTER ROLE %I SET idle_in_transaction_session_timeout = %d; END",
	        slot->role, slot->role, site->config->statement_timeout_ms, slot->role,
	        site->config->idle_in_transaction_ms);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

void
slot_role_settings_differ(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	if (slot_is_shared(slot)) {
		sql_add(sql, "false");
		return;
	}
	sql_add(sql,
	        "(SELECT pg_catalog.array_agg(c ORDER BY c COLLATE \"C\") FROM pg_catalog.pg_db_role_setting s"
	        " JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, pg_catalog.unnest(s.setconfig) c WHERE r.rolname = %L)"
	        " IS DISTINCT FROM ARRAY['idle_in_transaction_session_timeout=%d', 'jit=off', ",
	        slot->role, site->config->idle_in_transaction_ms);
	add_search_path_kept(site, sql);
	sql_add(sql, ", 'statement_timeout=%d']", site->config->statement_timeout_ms);
}
