/* SPDX-License-Identifier: MIT */
/*
 * The rows of PostgreSQL's catalog that say what a schema and its role are; one line for each way to
 * find some of them by an index.
 *
 * In the conditions: @R OIDs of the schema's relations, @A those of them that have columns of interest,
 * @B of these the ones that are no indexes, @T its types, @U the enums and @D the domains among them, @P
 * its functions, @X everything else in it, @E all of these as int8, @L and @H the lowest and the highest
 * of them, @N the schema's OID, @O the role's, @M the database's.
 *
 * The last column lists what changes without anything being another: where the rows are, estimates,
 * hints that VACUUM corrects.
 */
#pragma once

/* clang-format off */
#define CATALOGS(X)                                                                                     \
	X("pg_class", "oid BETWEEN @L AND @H AND relnamespace = @N",                                    \
	  "relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex,relhasrules," \
	  "relhastriggers,relhassubclass")                                                              \
	X("pg_attribute",     "attrelid = ANY (@A) AND attnum > 0",                  "")                \
	X("pg_attrdef",       "adrelid = ANY (@B)",                                  "")                \
	X("pg_constraint",    "conrelid = ANY (@B)",                                 "")                \
	X("pg_constraint",    "contypid = ANY (@D)",                                 "")                \
	X("pg_index",         "indrelid = ANY (@B)",                                 "indcheckxmin")    \
	X("pg_trigger",       "tgrelid = ANY (@B)",                                  "")                \
	X("pg_rewrite",       "ev_class = ANY (@B)",                                 "")                \
	X("pg_policy",        "polrelid = ANY (@B)",                                 "")                \
	X("pg_inherits",      "inhrelid = ANY (@A)",                                 "")                \
	X("pg_statistic_ext", "stxrelid = ANY (@B)",                                 "")                \
	X("pg_type",          "oid = ANY (@T)",                                      "")                \
	X("pg_enum",          "enumtypid = ANY (@U)",                                "")                \
	X("pg_proc",          "oid = ANY (@P)",                                      "")                \
	X("pg_sequence",      "seqrelid = ANY (@R)",                                 "")                \
	X("pg_namespace",     "oid = @N",                                            "")                \
	X("pg_depend",        "refclassid = 2615 AND refobjid = @N",                 "")                \
	X("pg_depend",        "refclassid = 1247 AND refobjid = ANY (@T) AND classid = 2605", "") /* casts */ \
	X("pg_shdepend",      "refclassid = 1260 AND refobjid = @O AND (classid <> 1259 OR dbid <> @M OR"   \
	  " objid::int8 = ANY (@E) OR NOT EXISTS (SELECT FROM pg_class t WHERE t.oid = objid"           \
	  " AND t.relpersistence = 't'))", "") /* temporary tables are a session's, not the slot's */    \
	X("pg_default_acl",   "defaclrole = @O",                                     "")                \
	X("pg_auth_members",  "roleid = @O",                                         "")                \
	X("pg_auth_members",  "member = @O",                                         "")                \
	X("pg_description",   "objoid BETWEEN @L AND @H AND objoid::int8 = ANY (@E)", "")

/* Read only where the schema holds something rarer than relations, types and functions. */
#define RARE_CATALOGS(X)                                                                                \
	X("pg_operator",      "oid = ANY (@X)",                                      "")                \
	X("pg_opclass",       "oid = ANY (@X)",                                      "")                \
	X("pg_opfamily",      "oid = ANY (@X)",                                      "")                \
	X("pg_amop",          "amopfamily = ANY (@X)",                               "")                \
	X("pg_amproc",        "amprocfamily = ANY (@X)",                             "")                \
	X("pg_collation",     "oid = ANY (@X)",                                      "")                \
	X("pg_conversion",    "oid = ANY (@X)",                                      "")                \
	X("pg_ts_config",     "oid = ANY (@X)",                                      "")                \
	X("pg_ts_config_map", "mapcfg = ANY (@X)",                                   "")                \
	X("pg_ts_dict",       "oid = ANY (@X)",                                      "")
/* clang-format on */
