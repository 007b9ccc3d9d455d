/* SPDX-License-Identifier: MIT */
/*
 * The rows of PostgreSQL's catalog that say what a schema and its role are; one line for each way to
 * find some of them by an index.
 *
 * In the conditions: @R OIDs of the schema's relations, @A those of them that have columns of interest,
 * @B of these the ones that are no indexes, @S its sequences, @T its types, @U the enums and @D the domains among them, @P
 * its functions, @X everything else in it, @E all of these, and what hangs on them and may have a comment
 * (constraints, triggers, rules, policies), as int8, @L and @H the lowest and the highest
 * of them, @N the schema's OID, @O the role's, @M the database's.
 *
 * Of some catalogs a row is written again without saying anything else (TRUNCATE, REINDEX, REFRESH): there
 * the last column lists what may differ, which is where the rows are, estimates, and hints that VACUUM
 * corrects. Where it is NULL, a row that was written again counts as another.
 */
#pragma once

/* clang-format off */
#define CATALOGS(X)                                                                                     \
	X("pg_class", "oid BETWEEN @L AND @H AND relnamespace = @N",                                    \
	  "relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex,relhasrules," \
	  "relhastriggers,relhassubclass")                                                              \
	X("pg_attribute", "attrelid = ANY (@A) AND (attnum > 0 OR attacl IS NOT NULL)", NULL)           \
	X("pg_attribute",     "attrelid = ANY (@S) AND attacl IS NOT NULL",          NULL)              \
	X("pg_attrdef",       "adrelid = ANY (@B)",                                  NULL)              \
	X("pg_constraint",    "conrelid = ANY (@B)",                                 NULL)              \
	X("pg_constraint",    "contypid = ANY (@D)",                                 NULL)              \
	X("pg_index",         "indrelid = ANY (@B)",                                 "indcheckxmin")    \
	X("pg_trigger",       "tgrelid = ANY (@B)",                                  NULL)              \
	X("pg_rewrite",       "ev_class = ANY (@B)",                                 NULL)              \
	X("pg_policy",        "polrelid = ANY (@B)",                                 NULL)              \
	X("pg_inherits",      "inhrelid = ANY (@A)",                                 NULL)              \
	X("pg_statistic_ext", "stxrelid = ANY (@B)",                                 NULL)              \
	X("pg_type",          "oid = ANY (@T)",                                      NULL)              \
	X("pg_enum",          "enumtypid = ANY (@U)",                                NULL)              \
	X("pg_proc",          "oid = ANY (@P)",                                      NULL)              \
	X("pg_sequence",      "seqrelid = ANY (@R)",                                 NULL)              \
	X("pg_namespace",     "oid = @N",                                            NULL)              \
	X("pg_depend",        "refclassid = 2615 AND refobjid = @N",                 NULL)              \
	X("pg_depend",        "refclassid = 1247 AND refobjid = ANY (@T) AND classid = 2605", NULL) /* casts */ \
	X("pg_depend",        "classid = 1259 AND objid = ANY (@S)",                 NULL)              \
	X("pg_depend",        "refclassid = 3079 AND deptype = 'x' AND objid::int8 = ANY (@E)", NULL)   \
	X("pg_shdepend",      "refclassid = 1260 AND refobjid = @O AND (dbid <> @M OR objid::int8 = ANY (@E) OR" \
	  " coalesce(CASE classid WHEN 1259 THEN (SELECT relnamespace FROM pg_class t WHERE t.oid = objid)" \
	  " WHEN 1247 THEN (SELECT typnamespace FROM pg_type t WHERE t.oid = objid)"                    \
	  " WHEN 1255 THEN (SELECT pronamespace FROM pg_proc t WHERE t.oid = objid) END, 0)"            \
	  " NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg_temp%'))",                      \
	  NULL) /* what is temporary is a session's, not the slot's */                                  \
	X("pg_default_acl",   "defaclrole = @O",                                     NULL)              \
	X("pg_auth_members",  "roleid = @O",                                         NULL)              \
	X("pg_auth_members",  "member = @O",                                         NULL)              \
	X("pg_description",   "objoid BETWEEN @L AND @H AND objoid::int8 = ANY (@E)", NULL)

/* Read only where the schema holds something rarer than relations, types and functions. */
#define RARE_CATALOGS(X)                                                                                \
	X("pg_operator",      "oid = ANY (@X)",                                      NULL)              \
	X("pg_opclass",       "oid = ANY (@X)",                                      NULL)              \
	X("pg_opfamily",      "oid = ANY (@X)",                                      NULL)              \
	X("pg_amop",          "amopfamily = ANY (@X)",                               NULL)              \
	X("pg_amproc",        "amprocfamily = ANY (@X)",                             NULL)              \
	X("pg_collation",     "oid = ANY (@X)",                                      NULL)              \
	X("pg_conversion",    "oid = ANY (@X)",                                      NULL)              \
	X("pg_ts_config",     "oid = ANY (@X)",                                      NULL)              \
	X("pg_ts_config_map", "mapcfg = ANY (@X)",                                   NULL)              \
	X("pg_ts_dict",       "oid = ANY (@X)",                                      NULL)
/* clang-format on */
