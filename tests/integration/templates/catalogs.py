# SPDX-License-Identifier: MIT
"""Everything that PostgreSQL's catalogs say of one schema and its role, as lines of text.

The server itself says which columns hold OIDs, and of what (pg_get_catalog_foreign_keys), so no column
is forgotten when a new version brings one. OIDs become names, expressions become text; what differs
between two schemas that are the same is left out, and LEFT_OUT says why.
"""

from __future__ import annotations

import psycopg

CLASSES = "(SELECT oid FROM pg_class WHERE relnamespace = %(ns)s)"
TYPES = "(SELECT oid FROM pg_type WHERE typnamespace = %(ns)s)"
FUNCTIONS = "(SELECT oid FROM pg_proc WHERE pronamespace = %(ns)s)"
FAMILIES = "(SELECT oid FROM pg_opfamily WHERE opfnamespace = %(ns)s)"
CONFIGURATIONS = "(SELECT oid FROM pg_ts_config WHERE cfgnamespace = %(ns)s)"

# Which rows `c` of a catalog belong to the schema %(ns)s or to its role.
SCOPES = {
    "pg_namespace": "c.oid = %(ns)s",
    "pg_class": "c.relnamespace = %(ns)s",
    "pg_attribute": f"c.attrelid IN {CLASSES} AND NOT c.attisdropped AND (c.attnum > 0 OR c.attacl IS NOT NULL)",
    "pg_attrdef": f"c.adrelid IN {CLASSES}",
    "pg_constraint": "c.connamespace = %(ns)s",
    "pg_index": f"c.indrelid IN {CLASSES}",
    "pg_inherits": f"c.inhrelid IN {CLASSES} OR c.inhparent IN {CLASSES}",
    "pg_partitioned_table": f"c.partrelid IN {CLASSES}",
    "pg_sequence": f"c.seqrelid IN {CLASSES}",
    "pg_statistic_ext": "c.stxnamespace = %(ns)s",
    "pg_trigger": f"c.tgrelid IN {CLASSES}",
    "pg_rewrite": f"c.ev_class IN {CLASSES}",
    "pg_policy": f"c.polrelid IN {CLASSES}",
    "pg_type": "c.typnamespace = %(ns)s",
    "pg_range": f"c.rngtypid IN {TYPES}",
    "pg_proc": "c.pronamespace = %(ns)s",
    "pg_aggregate": f"c.aggfnoid IN {FUNCTIONS}",
    "pg_operator": "c.oprnamespace = %(ns)s",
    "pg_opclass": "c.opcnamespace = %(ns)s",
    "pg_opfamily": "c.opfnamespace = %(ns)s",
    "pg_amop": f"c.amopfamily IN {FAMILIES}",
    "pg_amproc": f"c.amprocfamily IN {FAMILIES}",
    "pg_collation": "c.collnamespace = %(ns)s",
    "pg_conversion": "c.connamespace = %(ns)s",
    "pg_ts_config": "c.cfgnamespace = %(ns)s",
    "pg_ts_config_map": f"c.mapcfg IN {CONFIGURATIONS}",
    "pg_ts_dict": "c.dictnamespace = %(ns)s",
    "pg_ts_parser": "c.prsnamespace = %(ns)s",
    "pg_ts_template": "c.tmplnamespace = %(ns)s",
    "pg_cast": f"c.castsource IN {TYPES} OR c.casttarget IN {TYPES} OR c.castfunc IN {FUNCTIONS}",
    "pg_transform": f"c.trftype IN {TYPES}",
    "pg_publication_rel": f"c.prrelid IN {CLASSES}",
    "pg_foreign_table": f"c.ftrelid IN {CLASSES}",
    "pg_extension": "c.extowner = %(role)s",
    "pg_event_trigger": "c.evtowner = %(role)s",
    "pg_foreign_server": "c.srvowner = %(role)s",
    "pg_user_mapping": "c.umuser = %(role)s",
    "pg_language": "c.lanowner = %(role)s",
    "pg_largeobject_metadata": "c.lomowner = %(role)s",
    "pg_default_acl": "c.defaclrole = %(role)s OR c.defaclnamespace = %(ns)s",
    "pg_db_role_setting": "c.setrole = %(role)s",
    "pg_auth_members": "c.member = %(role)s OR c.roleid = %(role)s",
    "pg_authid": "c.oid = %(role)s",
}


def acl(column: str, kind: str, owner: str) -> str:
    """An access list without its order, defaults spelled out: what one may, not how it was said."""
    spelled = f"coalesce(c.{column}, acldefault({kind}, c.{owner}))"
    return f"(SELECT array_agg(x::text ORDER BY x::text COLLATE \"C\") FROM unnest({spelled}) x)"


def in_order(column: str) -> str:
    return f"(SELECT array_agg(x::text ORDER BY x::text COLLATE \"C\") FROM unnest(c.{column}) x)"


# What is shown by an expression instead of the column, or besides the columns.
SHOWN = {
    "pg_class": {
        "relacl": acl("relacl", "CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END", "relowner"),
        "relpartbound": "pg_get_expr(c.relpartbound, c.oid)",
        "toast_options": "(SELECT reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid)",
        "view": "CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END",
    },
    "pg_attribute": {
        "attnum": "(SELECT count(*) FROM pg_attribute b WHERE b.attrelid = c.attrelid"
        " AND NOT b.attisdropped AND b.attnum BETWEEN 1 AND c.attnum)",
        "attacl": f"nullif({in_order('attacl')}, '{{}}')",
    },
    "pg_attrdef": {"adbin": "pg_get_expr(c.adbin, c.adrelid)"},
    "pg_constraint": {
        "connoinherit": "c.connoinherit AND c.contype = 'c'",  # the others say what they happen to say
        "definition": "pg_get_constraintdef(c.oid)",
    },
    "pg_index": {"definition": "pg_get_indexdef(c.indexrelid)"},
    "pg_partitioned_table": {"definition": "pg_get_partkeydef(c.partrelid)"},
    "pg_statistic_ext": {"definition": "pg_get_statisticsobjdef(c.oid)"},
    "pg_trigger": {"definition": "pg_get_triggerdef(c.oid)"},
    "pg_rewrite": {"definition": "pg_get_ruledef(c.oid)"},
    "pg_policy": {
        "polqual": "pg_get_expr(c.polqual, c.polrelid)",
        "polwithcheck": "pg_get_expr(c.polwithcheck, c.polrelid)",
        "polroles": "(SELECT array_agg(CASE r WHEN 0 THEN '-' ELSE r::regrole::text END"
        " ORDER BY r = 0, r::regrole::text) FROM unnest(c.polroles) r)",
    },
    "pg_type": {
        "typacl": acl("typacl", "'T'", "typowner"),
        "labels": "(SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = c.oid)",
    },
    "pg_proc": {
        "proacl": acl("proacl", "'f'", "proowner"),
        "arguments": "pg_get_function_arguments(c.oid)",
        "result": "pg_get_function_result(c.oid)",
        "prosqlbody": "pg_get_function_sqlbody(c.oid)",
    },
    "pg_namespace": {
        "nspacl": acl("nspacl", "'n'", "nspowner"),
        "stamp": "obj_description(c.oid, 'pg_namespace') ~ '^berth runner=\\w+ fence=\\d+( |$)'",
    },
    "pg_db_role_setting": {"setconfig": in_order("setconfig")},
    "pg_default_acl": {"defaclacl": in_order("defaclacl")},
    "pg_largeobject_metadata": {"oid": "c.oid"},  # it is described as of pg_largeobject
}

_PHYSICAL = "files and statistics"
_NUMBERS = "numbers of columns have holes where some were dropped; the definition has their names"
_LAZY = "set with the first one, and unset by VACUUM if ever"
_SAID = "shown by an expression of SHOWN"

LEFT_OUT = {
    "pg_class": {
        **dict.fromkeys(("relfilenode", "relpages", "reltuples", "relallvisible"), _PHYSICAL),
        **dict.fromkeys(("relallfrozen", "relfrozenxid", "relminmxid", "relrewrite"), _PHYSICAL),
        **dict.fromkeys(("relhasindex", "relhasrules", "relhastriggers", "relhassubclass"), _LAZY),
        "reltoastrelid": _PHYSICAL,
        "relnatts": _NUMBERS,
    },
    "pg_attribute": {
        **dict.fromkeys(("attcacheoff", "atthasmissing", "attmissingval"), _PHYSICAL),
        "attndims": "PostgreSQL itself ignores it",
    },
    "pg_collation": {"collencoding": "any, or the database's: there is only one in it"},
    "pg_attrdef": {"adnum": _NUMBERS},
    "pg_constraint": dict.fromkeys(("conkey", "confkey", "confdelsetcols"), _NUMBERS) | {"conbin": _SAID},
    "pg_index": dict.fromkeys(("indkey", "indexprs", "indpred"), _NUMBERS) | {"indcheckxmin": _PHYSICAL},
    "pg_partitioned_table": dict.fromkeys(("partattrs", "partexprs"), _NUMBERS),
    "pg_statistic_ext": dict.fromkeys(("stxkeys", "stxexprs"), _NUMBERS),
    "pg_trigger": dict.fromkeys(("tgattr", "tgqual"), _NUMBERS),
    "pg_rewrite": dict.fromkeys(("ev_qual", "ev_action"), _SAID),
    "pg_type": {"typdefaultbin": "typdefault is its text"},
    "pg_proc": {"proargdefaults": _SAID},
    "pg_authid": {"rolpassword": "whether one can log in is tried"},
    "pg_auth_members": {"oid": "nothing refers to it"},
    "pg_default_acl": {"oid": "nothing refers to it"},
}

# Everything that depends on something in the schema, wherever it is.
MEMBERS = """
WITH RECURSIVE member (classid, objid) AS (
	SELECT 'pg_namespace'::regclass::oid, %(ns)s::oid
	UNION SELECT d.classid, d.objid FROM member m JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid
)
"""

RELATIONS = """
SELECT DISTINCT 'pg_depend', (pg_identify_object(classid, objid, objsubid)).identity || ' on '
	|| (pg_identify_object(refclassid, refobjid, refobjsubid)).identity || ' ' || deptype::text
FROM member JOIN pg_depend USING (classid, objid)
UNION ALL SELECT DISTINCT 'pg_shdepend', coalesce(datname, '-') || ' ' || CASE WHEN dbid IN (0, (SELECT oid FROM
	pg_database WHERE datname = current_database())) THEN (pg_identify_object(classid, objid, objsubid)).type
	|| ' ' || (pg_identify_object(classid, objid, objsubid)).identity ELSE classid || ' ' || objid END || ' ' || deptype::text
FROM pg_shdepend LEFT JOIN pg_database d ON d.oid = dbid
WHERE refclassid = 'pg_authid'::regclass AND refobjid = %(role)s
UNION ALL SELECT 'pg_description', (pg_identify_object(classoid, objoid, objsubid)).identity || ' ' || description
FROM member JOIN pg_description ON classoid = classid AND objoid = objid WHERE classid <> 'pg_namespace'::regclass
"""


def _identity(catalog: str, oid: str) -> str:
    return f"(pg_identify_object('{catalog}'::regclass, {oid}, 0)).identity"


def _column(name: str, target: tuple[str, bool] | None, catalog: str) -> str:
    """The expression of one column; target: the catalog that its OIDs are of, and whether there are many."""
    if name == "oid":
        return _identity(catalog, "c.oid")
    if target is None:
        return f"c.{name}"
    if not target[1]:
        return f"CASE WHEN c.{name} <> 0 THEN {_identity(target[0], f'c.{name}')} END"
    each = _identity(target[0], "o")
    return f"ARRAY(SELECT {each} FROM unnest(c.{name}::oid[]) WITH ORDINALITY u(o, n) ORDER BY n)"


def _shown(catalog: str, columns: list[str], targets: dict[str, tuple[str, bool]]) -> dict[str, str]:
    left_out, shown = LEFT_OUT.get(catalog, {}), SHOWN.get(catalog, {})
    return {
        name: _column(name, targets.get(name), catalog) for name in columns if name not in left_out
    } | shown


def query(connection: psycopg.Connection) -> str:
    """One query of (catalog, line), with the parameters ns and role (their OIDs), for this server's version."""
    columns: dict[str, list[str]] = {}
    for catalog, name in connection.execute(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE"
        " relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY attrelid, attnum"
    ):
        columns.setdefault(catalog, []).append(name)
    targets: dict[str, dict[str, tuple[str, bool]]] = {}
    for catalog, name, other, many in connection.execute(
        "SELECT fktable::text, fkcols[1], pktable::text, is_array FROM pg_get_catalog_foreign_keys()"
        " WHERE cardinality(fkcols) = 1 AND pkcols = '{oid}'"
    ):
        targets.setdefault(catalog, {})[name] = (other, many)
    parts = []
    for catalog, scope in SCOPES.items():
        shown = _shown(catalog, columns[catalog], targets.get(catalog, {}))
        pairs = ", ".join(f"'{name}', {expression}" for name, expression in shown.items())
        parts.append(
            f"SELECT '{catalog}', json_strip_nulls(json_build_object({pairs}))::text"
            f" FROM {catalog} c WHERE {scope}"
        )
    return MEMBERS + " UNION ALL ".join(parts) + " UNION ALL " + RELATIONS
