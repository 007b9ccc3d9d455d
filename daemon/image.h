/* SPDX-License-Identifier: MIT */
/*
 * image: what a schema holds, as text from which any number of slots are built: definitions, rows,
 * positions of sequences, materialized views.
 *
 * Plain data; it is taken by image_take.c, kept in the registry by image_store.c and replayed by
 * slot_fill.c. Its texts carry the name of the schema that they were taken from; replaying renames.
 *
 * Whoever keeps an image takes a reference and gives it back; what is in it never changes after it
 * was taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pg/sql.h"
#include "proto/limits.h"

struct image_table {
	char *name;     /* as SQL writes it, quoted where it must be, without the schema */
	char *columns;  /* that can be written (no generated ones), the same way; "" for none */
	char *rows;     /* an array of the table's row type, as its literal; NULL without rows */
	int64_t count;  /* rows */
};

struct image_sequence {
	char *name;
	int64_t last;
	bool called;
};

/* A materialized view that holds data; in the order in which they can be refreshed. */
struct image_view {
	char *name;
	char *digest;   /* of its rows: what a slot's must be, too */
};

struct image {
	int refs;
	char schema[LIMIT_NAME_BYTES + 1];
	char *before, *after;           /* definitions that come before and after the rows */
	struct image_table *tables;
	int table_count;
	struct image_sequence *sequences;
	int sequence_count;
	struct image_view *views;
	int view_count;
	bool forced;                    /* a table's policies bind its owner too: only a rebuild resets it */
	int64_t rows;
	size_t bytes;                   /* of all texts */
};

struct image *image_new(const char *schema); /* one reference */
struct image *image_ref(struct image *image); /* takes NULL */
void image_unref(struct image *image);        /* takes NULL */

/* These copy. */
void image_set_definitions(struct image *image, const char *before, const char *after);
void image_add_table(struct image *image, const char *name, const char *columns, const char *rows, int64_t count);
void image_add_sequence(struct image *image, const char *name, int64_t last, bool called);
void image_add_view(struct image *image, const char *name, const char *digest);

/* What pg_dump says without what is of pg_dump: its settings, its words, the schema itself. In place. */
void image_trim(char *dump, const char *schema);
/* Where in a trimmed dump the privileges begin, which are its end; its NUL without any. */
char *image_privileges(char *dump);
/* Whether `name` stands in `text` as a word of its own. */
bool image_names(const char *text, const char *name);
/* `text` with `from` written as `to` wherever it stands as a word of its own. malloc()ed. */
char *image_rename(const char *text, const char *from, const char *to);
/* Whether both say the same, but for the names of their schemas; else `why` says where they part. */
bool image_equal(const struct image *one, const struct image *other, char *why, size_t size);

/* The statements that fill the schema `slot`, which is empty, one statement each (nothing where there is
 * nothing to do). To be run by the slot's own role, in this order, in one transaction. */
void image_write_before(const struct image *image, const char *slot, struct sql *sql);
void image_write_rows(const struct image *image, const char *slot, struct sql *sql);
void image_write_after(const struct image *image, const char *slot, struct sql *sql);
void image_write_end(const struct image *image, const char *slot, struct sql *sql);
/* One table's rows alone, as an INSERT; nothing without rows. */
void image_write_table(const struct image_table *table, const char *slot, struct sql *sql);
