/* SPDX-License-Identifier: MIT */
/*
 * baseline: by what a slot is known to be still as its image says, without comparing it.
 *
 * Every row of a table and of the catalog carries the transaction that wrote it (xmin). If as many rows
 * are there as when the slot was as its image says, and all of them were written by transactions
 * of then, nothing was added, changed or removed: what was changed has another xmin, what was added too,
 * what was removed is missing, and no transaction of then can write any more.
 *
 * Rows of the catalog that others wrote may still say the same (TRUNCATE and REFRESH write them): their
 * contents are compared with those of then.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/image.h"
#include "daemon/pg/sql.h"
#include "daemon/slot_build.h"

/* What is known of one table beyond its image; a table with many OIDs of its own is told by its name. */
struct baseline_table {
	char *xids;      /* the transactions that wrote its rows: "{1,2}"; NULL where it has no rows */
	bool ruled, cloned; /* has rules; has triggers of a partitioned table's */
	bool lonely;     /* neither is a partition nor is referenced by a partitioned table: TRUNCATE may be said */
};

struct baseline_view {
	char *xids;
	int64_t rows;
};

/* Rows of `from` refer to rows of `to` (indices of the image's tables). */
struct baseline_edge {
	int from, to;
};

/* A trigger of the holder's that a reset would set off. */
struct baseline_trigger {
	int table;
	char *name;      /* quoted where it must be */
	char enabled;    /* pg_trigger.tgenabled: O, A or R */
};

struct baseline {
	struct image *image;             /* a reference */
	char *rels, *attrs, *tables_, *seqs, *types, *enums, *domains, *procs, *others, *all; /* arrays of OIDs */
	char *low, *high, *schema, *role, *database;
	struct baseline_table *tables;   /* as many as the image has */
	struct baseline_view *views;     /* as many as the image has */
	struct baseline_edge *edges;
	int edge_count;
	struct baseline_trigger *triggers;
	int trigger_count;
	int64_t rows;                    /* of the catalog */
	char *xids;                      /* that wrote them */
	int xid_count;
	char *digests;                   /* of those that may be written again, 32 digits each, one behind the other */
	bool *cached;                    /* of each sequence of the image: sessions keep numbers of it back (CACHE) */
};

/* For a slot that is as `image` says, or is being made so. Takes a reference. */
struct baseline *baseline_new(struct image *image);
void baseline_free(struct baseline *baseline); /* takes NULL */

/* The questions that fill it, in this order, asked as the slot's role in one session; each answer goes to the
 * function of its name. In between nobody may change the slot. */
void baseline_ask_objects(struct baseline *baseline, const struct slot *slot, struct sql *sql);
void baseline_keep_objects(struct baseline *baseline, const PGresult *result);
void baseline_ask_relations(struct baseline *baseline, const struct slot *slot, struct sql *sql);
void baseline_keep_relations(struct baseline *baseline, const PGresult *result);
void baseline_ask_catalog(struct baseline *baseline, struct sql *sql);
void baseline_keep_catalog(struct baseline *baseline, const PGresult *result);
void baseline_ask_rows(struct baseline *baseline, const struct slot *slot, struct sql *sql);
void baseline_keep_rows(struct baseline *baseline, const PGresult *result);

/* What a look finds. */
struct look {
	int64_t rows, unknown;  /* of the catalog; written by transactions that the baseline does not know */
	int64_t *tables;        /* of each of the image's: -1 clean, else its size in bytes */
	bool *sequences;        /* of each: moved */
	bool *views;            /* of each: written */
	bool settings;          /* the role's are others */
	bool stamp;             /* the schema bears another */
};
void look_fini(struct look *look);

/*
 * Two prepared statements, so that what changes a table's plan (TRUNCATE, ANALYZE) does not cost that of the
 * catalog's: PREPARE once in a session, EXECUTE for each look.
 */
void baseline_prepare_look(const struct slot_site *site, const struct slot *slot, struct sql *sql);
void baseline_prepare_rows(const struct slot *slot, struct sql *sql);
void baseline_look(const struct baseline *baseline, struct sql *sql);
void baseline_look_rows(const struct baseline *baseline, struct sql *sql);
void baseline_keep_look(const PGresult *result, struct look *ret);
void baseline_keep_look_rows(const struct baseline *baseline, const PGresult *result, struct look *ret);
/* The contents of the rows that it does not know; true if each of the `unknown` ones was there before: they are
 * known from then on. */
void baseline_ask_unknown(const struct baseline *baseline, struct sql *sql);
bool baseline_know_unknown(struct baseline *baseline, int64_t unknown, const PGresult *result);

/* The answer to another baseline_ask_catalog(): the transactions are those of now; false if a row is another. */
bool baseline_relist(struct baseline *baseline, const PGresult *result);

/* A transaction of ours wrote rows of the catalog that say what they said; or all of a table's rows. */
void baseline_know_xid(struct baseline *baseline, const char *xid);
void baseline_know_table(struct baseline *baseline, int table, const char *xid);
void baseline_know_view(struct baseline *baseline, int view, const char *xid);
