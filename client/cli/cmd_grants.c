/* SPDX-License-Identifier: MIT */
/* berth grants: the SQL for the least that berthd's role needs, by the server's version. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/session.h"

enum { OLDEST = 13, NEWEST_KNOWN = 18, NAME_MAX_BYTES = 63 };

static const char *version_said, *role = "berthd", *enum_schema = "public", *lease_role;
static bool without_databases;

static const struct cli_option options[] = {
	{ "pg-version", "N", OPTION_TEXT, &version_said, "PostgreSQL's, from 13 on (default: the daemon's server's)" },
	{ "role", "NAME", OPTION_TEXT, &role, "berthd's role (default: berthd)" },
	{ "enum-schema", "NAME", OPTION_TEXT, &enum_schema, "where shared enums are made (default: public)" },
	{ "lease-role", "NAME", OPTION_TEXT, &lease_role, "all leases share this login role; berthd may make none" },
	{ "without-databases", NULL, OPTION_FLAG, &without_databases, "KIND database is not wanted" },
	{ 0 }
};

/* Whose the roles of leases are. */
enum whose { ANY, OWN /* one a lease */, SHARED, OTHER /* shared, and not berthd's */ };

/* In order, each for the versions since..until. @role, @lease, @schema, @createrole and @createdb stand for what was
 * asked. */
static const struct grant {
	int since, until;
	enum whose whose;
	const char *why, *sql;
} grants[] = {
	{ OLDEST, 99, OWN,
	  "It logs in and makes roles, one a lease. Its password: \\password @role", NULL },
	{ OLDEST, 99, SHARED,
	  "It logs in, and makes no roles. Its password: \\password @role", NULL },
	{ OLDEST, 99, ANY, NULL,
	  "DO $berth$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '@role') THEN\n"
	  "  CREATE ROLE \"@role\"; END IF; END $berth$;\n"
	  "ALTER ROLE \"@role\" LOGIN NOSUPERUSER @createrole @createdb;" },
	{ OLDEST, 99, OTHER,
	  "All leases log in as this one (lease_role in berth.conf); it stays as it is, if it is there. Its password:\n"
	  "-- \\password @lease, and lease_role_password_file",
	  "DO $berth$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '@lease') THEN\n"
	  "  CREATE ROLE \"@lease\" LOGIN; END IF; END $berth$;" },
	{ OLDEST, 99, OTHER, NULL,
	  "DO $berth$ BEGIN\n"
	  "  EXECUTE format('GRANT CONNECT ON DATABASE %I TO \"@lease\"', current_database()); END $berth$;" },
	{ OLDEST, 15, OTHER, "Their schemas belong to it, and berthd acts for it.", "GRANT \"@lease\" TO \"@role\";" },
	{ 16, 99, OTHER, "Their schemas belong to it, and berthd acts for it.",
	  "GRANT \"@lease\" TO \"@role\" WITH INHERIT TRUE, SET TRUE;" },
	{ OLDEST, 15, OWN,
	  "Before PostgreSQL 16 CREATEROLE is close to superuser: it may join any role that is none.", NULL },
	{ OLDEST, 99, ANY,
	  "In this database it makes schemas, one a lease, and the registry (schema berth).",
	  "DO $berth$ BEGIN\n"
	  "  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO \"@role\"', current_database()); END $berth$;" },
	{ OLDEST, 99, ANY,
	  "Shared enum types are made here (ENUM ENSURE, [enums] in berth.conf); a schema that is not there it makes.",
	  "DO $berth$ BEGIN IF to_regnamespace('\"@schema\"') IS NOT NULL THEN\n"
	  "  GRANT USAGE, CREATE ON SCHEMA \"@schema\" TO \"@role\"; END IF; END $berth$;" },
	{ OLDEST, 99, ANY,
	  "A registry that another role has made goes over to this one; no berthd may run meanwhile.",
	  "DO $berth$ DECLARE t oid; BEGIN IF to_regnamespace('berth') IS NOT NULL THEN\n"
	  "  ALTER SCHEMA berth OWNER TO \"@role\";\n"
	  "  FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'berth'::regnamespace AND relkind IN ('r', 'S') LOOP\n"
	  "    EXECUTE format('ALTER TABLE %s OWNER TO \"@role\"', t::regclass); END LOOP; END IF; END $berth$;" },
	{ OLDEST, 99, OWN,
	  "The same of the roles that berthd has made, for all leases and for those that were left behind: a superuser\n"
	  "-- needs not be a member of a role to drop what is its, and from 16 on only a role's maker may hand it on.",
	  "DO $berth$ DECLARE r name; BEGIN FOR r IN SELECT rolname FROM pg_roles\n"
	  "  WHERE (rolname IN ('berth_lease', 'berth_template')\n"
	  "    OR shobj_description(oid, 'pg_authid') LIKE 'berth runner=%' AND NOT rolsuper)\n"
	  "    AND NOT pg_has_role('@role', oid, 'MEMBER WITH ADMIN OPTION') LOOP\n"
	  "    EXECUTE format('GRANT %I TO \"@role\" WITH ADMIN OPTION', r); END LOOP; END $berth$;" },
};

/* They stand inside of quotes of three kinds. */
static bool
is_plain(const char *name)
{
	size_t len = strlen(name);

	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || strchr("\"'\\$@", *c))
			return false;
	return len > 0 && len <= NAME_MAX_BYTES;
}

static const char *
value_of(const char *at, size_t *ret_len)
{
	const struct { const char *name, *value; } values[] = {
		{ "@role", role }, { "@lease", lease_role }, { "@schema", enum_schema },
		{ "@createrole", lease_role ? "NOCREATEROLE" : "CREATEROLE" },
		{ "@createdb", without_databases ? "NOCREATEDB" : "CREATEDB" },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		*ret_len = strlen(values[i].name);
		if (strncmp(at, values[i].name, *ret_len) == 0)
			return values[i].value;
	}
	return NULL;
}

static void
print(const char *text)
{
	size_t len;

	while (*text) {
		const char *value = value_of(text, &len);

		if (value)
			fputs(value, stdout);
		else
			putchar(*text);
		text += value ? len : 1;
	}
	putchar('\n');
}

static bool
is_wanted(const struct grant *grant, int version)
{
	const bool wanted[] = {
		[ANY] = true, [OWN] = !lease_role, [SHARED] = lease_role,
		[OTHER] = lease_role && strcmp(lease_role, role) != 0,
	};

	return version >= grant->since && version <= grant->until && wanted[grant->whose];
}

static void
print_all(int version)
{
	printf("-- The least that berthd's role needs on PostgreSQL %d. As a superuser, in the database of the tests:\n"
	       "--   berth grants --pg-version %d | psql -X -v ON_ERROR_STOP=1 -d DATABASE\n",
	       version, version);
	for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
		if (!is_wanted(&grants[i], version))
			continue;
		if (grants[i].why) {
			fputs("\n-- ", stdout);
			print(grants[i].why);
		}
		if (grants[i].sql)
			print(grants[i].sql);
	}
}

/* The version of the server that the daemon has found; 0 after a complaint, with its exit status. */
static int
ask_version(const struct invocation *asked, int *ret_status)
{
	struct berth_client *client;
	struct berth_error e;
	char *text, *line;
	int version = 0;

	*ret_status = session_open(asked, &client);
	if (*ret_status) {
		hint("or say which PostgreSQL is meant: --pg-version N");
		return 0;
	}
	if (berth_info(client, "PostgreSQL", &text, &e) < 0) {
		*ret_status = complain(client, &e);
	} else {
		line = strstr(text, "pg_version:");
		version = line ? atoi(line + strlen("pg_version:")) / 10000 : 0;
		free(text);
		if (!version) {
			notice("UNAVAILABLE the daemon has not seen its PostgreSQL yet; say which is meant: --pg-version N");
			*ret_status = berth_error_exit_status(BERTH_UNAVAILABLE);
		}
	}
	berth_close(client);
	return version;
}

static int
run(const struct invocation *asked)
{
	const char *const names[] = { role, enum_schema, lease_role ? lease_role : role };
	int status, version = version_said ? atoi(version_said) : 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!is_plain(names[i]))
			return complain_usage("grants", "'%s' cannot be a name here", names[i]);
	if (strcmp(role, "postgres") == 0)
		return complain_usage("grants", "postgres would lose what makes it the superuser; let berthd have a role of"
		                      " its own");
	if (version_said && (version < OLDEST || version > 99))
		return complain_usage("grants", "--pg-version '%s': berth knows PostgreSQL %d to %d", version_said, OLDEST,
		                      NEWEST_KNOWN);
	if (!version_said)
		version = ask_version(asked, &status);
	if (!version)
		return status;
	print_all(version);
	return 0;
}

const struct command command_grants = {
	.name = "grants",
	.usage = "[--pg-version N] [--role NAME] [--lease-role NAME] [--enum-schema NAME] [--without-databases]",
	.summary = "The SQL for the least that the daemon's role needs",
	.details = "It may be run again, also to take superuser from a role that had it.\n",
	.options = options,
	.run = run,
};
