/* SPDX-License-Identifier: MIT */
/* Texts kept, trimmed, renamed, compared and written as SQL. */
#include "daemon/image.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/memory.h"

enum { POLICY_ROLES = 64 };

static char *
copy(struct image *image, const char *text)
{
	image->bytes += text ? strlen(text) : 0;
	return memory_copy(text);
}

struct image *
image_new(const char *schema)
{
	struct image *image = calloc(1, sizeof *image);

	if (!image)
		abort();
	image->refs = 1;
	snprintf(image->schema, sizeof image->schema, "%s", schema);
	image_set_definitions(image, "", "");
	return image;
}

struct image *
image_ref(struct image *image)
{
	if (image)
		image->refs++;
	return image;
}

void
image_unref(struct image *image)
{
	if (!image || --image->refs > 0)
		return;
	assert(image->refs == 0);
	for (int i = 0; i < image->table_count; i++) {
		free(image->tables[i].name);
		free(image->tables[i].columns);
		free(image->tables[i].rows);
	}
	for (int i = 0; i < image->sequence_count; i++)
		free(image->sequences[i].name);
	for (int i = 0; i < image->view_count; i++) {
		free(image->views[i].name);
		free(image->views[i].digest);
	}
	free(image->tables);
	free(image->sequences);
	free(image->views);
	free(image->before);
	free(image->after);
	free(image);
}

void
image_set_definitions(struct image *image, const char *before, const char *after)
{
	free(image->before);
	free(image->after);
	image->before = copy(image, before);
	image->after = copy(image, after);
}

void
image_add_table(struct image *image, const char *name, const char *columns, const char *rows, int64_t count)
{
	struct image_table *table;

	image->tables = memory_more(image->tables, image->table_count, sizeof *image->tables);
	table = &image->tables[image->table_count++];
	table->name = copy(image, name);
	table->columns = copy(image, columns);
	table->rows = count > 0 ? copy(image, rows) : NULL;
	table->count = count;
	image->rows += count;
}

void
image_add_sequence(struct image *image, const char *name, int64_t last, bool called)
{
	image->sequences = memory_more(image->sequences, image->sequence_count, sizeof *image->sequences);
	image->sequences[image->sequence_count++] =
		(struct image_sequence){ .name = copy(image, name), .last = last, .called = called };
}

void
image_add_view(struct image *image, const char *name, const char *digest)
{
	image->views = memory_more(image->views, image->view_count, sizeof *image->views);
	image->views[image->view_count++] =
		(struct image_view){ .name = copy(image, name), .digest = copy(image, digest) };
}

/* ---- pg_dump's text ---- */

static void
cut(char *from, const char *to)
{
	memmove(from, to, strlen(to) + 1);
}

/* The first statement that begins with `head`, at the beginning of a line, up to the end of its line. */
static void
cut_statement(char *text, const char *head)
{
	char *at = strstr(text, head), *end;

	if (!at || (at > text && at[-1] != '\n'))
		return;
	end = strstr(at, ";\n");
	cut(at, end ? end + 2 : at + strlen(at));
}

/* Behind a name, quoted or not. */
static char *
skip_name(char *at)
{
	if (*at != '"')
		return at + strcspn(at, " ,.;\n");
	for (at++; *at && (*at != '"' || *++at == '"'); at++)
		;
	return at;
}

/* Whether a role is told before another: the slot's own is the first, whatever it is called. */
static bool
is_before(const char *one, const char *other, const char *own)
{
	return strcmp(other, own) != 0 && (strcmp(one, own) == 0 || strcmp(one, other) < 0);
}

/* "a, b, c" from `at` to `end`, in place. */
static void
sort_roles(char *at, char *end, const char *own)
{
	char *roles[POLICY_ROLES];
	int count = 0, i;

	for (char *next; at < end && count < POLICY_ROLES; at = next + 2) {
		char *role = strndup(at, (size_t)((next = skip_name(at)) - at));

		if (!role)
			abort();
		for (i = count++; i > 0 && is_before(role, roles[i - 1], own); i--)
			roles[i] = roles[i - 1];
		roles[i] = role;
	}
	if (at < end) /* too many: they stay as they are */
		end = NULL;
	for (i = count - 1; i >= 0; i--) {
		if (end)
			memcpy(end -= strlen(roles[i]), roles[i], strlen(roles[i]));
		if (end && i > 0) {
			*--end = ' ';
			*--end = ',';
		}
		free(roles[i]);
	}
}

/* CREATE POLICY name ON table [AS …] [FOR …] TO role, role … */
static void
sort_policy(char *at, const char *own)
{
	char *end;

	at = skip_name(at + strlen("CREATE POLICY "));
	if (strncmp(at, " ON ", 4) != 0)
		return;
	at = skip_name(at + 4);
	if (*at == '.')
		at = skip_name(at + 1);
	if (strncmp(at, " AS ", 4) == 0)
		at = skip_name(at + 4);
	if (strncmp(at, " FOR ", 5) == 0)
		at = skip_name(at + 5);
	if (strncmp(at, " TO ", 4) != 0)
		return;
	at += 4;
	for (end = skip_name(at); strncmp(end, ", ", 2) == 0;)
		end = skip_name(end + 2);
	sort_roles(at, end, own);
}

/* In which order pg_dump lists a policy's roles says nothing: it is that of their rows in pg_authid. */
static void
sort_policies(char *dump, const char *own)
{
	static const char head[] = "\nCREATE POLICY ";

	for (char *at = dump; (at = strstr(at, head)); at++)
		sort_policy(at + 1, own);
}

/*
 * Before the first "-- Name:" stand settings, of which some are unknown to older servers, and
 * "\restrict", which is psql's; behind "dump complete" stands "\unrestrict". The schema is there when
 * an image is replayed, and its comment is berth's stamp.
 */
void
image_trim(char *dump, const char *schema)
{
	char *first = strstr(dump, "\n--\n-- Name: "), *end = NULL;
	char head[LIMIT_NAME_BYTES + 64];

	if (!first) {
		dump[0] = '\0';
		return;
	}
	cut(dump, first);
	for (char *next = dump; (next = strstr(next, "\n--\n-- PostgreSQL database dump complete")); next++)
		end = next;
	if (end)
		*end = '\0';
	snprintf(head, sizeof head, "CREATE SCHEMA %s;\n", schema);
	cut_statement(dump, head);
	snprintf(head, sizeof head, "COMMENT ON SCHEMA %s IS ", schema);
	cut_statement(dump, head);
	sort_policies(dump, schema);
}

/* pg_dump writes them behind everything else, as "-- Name: TABLE t; Type: ACL; …". */
char *
image_privileges(char *dump)
{
	char *at = dump;

	while ((at = strstr(at, "\n--\n-- Name: "))) {
		size_t len = strcspn(at + 4, "\n");

		if (memmem(at + 4, len, "; Type: ACL; ", 13) || memmem(at + 4, len, "; Type: DEFAULT ACL; ", 21))
			return at;
		at++;
	}
	return dump + strlen(dump);
}

static bool
in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; /* $ may be a quote's */
}

static bool
is_word(const char *text, const char *hit, size_t len)
{
	return (hit == text || !in_word(hit[-1])) && !in_word(hit[len]);
}

bool
image_names(const char *text, const char *name)
{
	for (const char *hit = text; (hit = strstr(hit, name)); hit++)
		if (is_word(text, hit, strlen(name)))
			return true;
	return false;
}

char *
image_rename(const char *text, const char *from, const char *to)
{
	struct sql made = { 0 };
	size_t len = strlen(from);
	const char *at = text;

	for (const char *hit; (hit = strstr(at, from)); at = hit + len) {
		bool whole = is_word(text, hit, len);

		sql_put(&made, at, (size_t)(hit - at));
		sql_put(&made, whole ? to : from, strlen(whole ? to : from));
	}
	sql_put(&made, at, strlen(at));
	return made.text;
}

/* ---- comparing ---- */

static bool
same_text(const struct image *one, const char *text, const struct image *other, const char *others)
{
	char *renamed;
	bool same;

	if (!text || !others)
		return text == others;
	renamed = image_rename(text, one->schema, other->schema);
	same = strcmp(renamed, others) == 0;
	free(renamed);
	return same;
}

/* Says which line of two texts is the first that differs. */
static void
say_line(const struct image *one, const char *text, const struct image *other, const char *others, char *why,
         size_t size)
{
	char *renamed = image_rename(text, one->schema, other->schema);
	const char *a = renamed, *b = others;

	while (*a && *a == *b)
		a++, b++;
	while (a > renamed && a[-1] != '\n')
		a--, b--;
	snprintf(why, size, "'%.*s' came out as '%.*s'", (int)(strcspn(a, "\n") > 120 ? 120 : strcspn(a, "\n")), a,
	         (int)(strcspn(b, "\n") > 120 ? 120 : strcspn(b, "\n")), b);
	free(renamed);
}

static bool
same_definitions(const struct image *one, const struct image *other, char *why, size_t size)
{
	if (!same_text(one, one->before, other, other->before)) {
		say_line(one, one->before, other, other->before, why, size);
		return false;
	}
	if (!same_text(one, one->after, other, other->after)) {
		say_line(one, one->after, other, other->after, why, size);
		return false;
	}
	return true;
}

/* Rows are data: a schema's name in them is not renamed, unless it is the name of something (regclass). */
static bool
same_tables(const struct image *one, const struct image *other, char *why, size_t size)
{
	for (int i = 0; i < one->table_count && i < other->table_count; i++) {
		const struct image_table *a = &one->tables[i], *b = &other->tables[i];

		snprintf(why, size, "the rows of table %s came out as others", a->name);
		if (strcmp(a->name, b->name) != 0 || strcmp(a->columns, b->columns) != 0 || a->count != b->count
		    || strcmp(a->rows ? a->rows : "", b->rows ? b->rows : "") != 0)
			return false;
	}
	snprintf(why, size, "another number of tables came out");
	return one->table_count == other->table_count;
}

static bool
same_sequences(const struct image *one, const struct image *other, char *why, size_t size)
{
	for (int i = 0; i < one->sequence_count && i < other->sequence_count; i++) {
		const struct image_sequence *a = &one->sequences[i], *b = &other->sequences[i];

		snprintf(why, size, "sequence %s came out at another position", a->name);
		if (strcmp(a->name, b->name) != 0 || a->last != b->last || a->called != b->called)
			return false;
	}
	snprintf(why, size, "another number of sequences came out");
	return one->sequence_count == other->sequence_count;
}

static bool
same_views(const struct image *one, const struct image *other, char *why, size_t size)
{
	for (int i = 0; i < one->view_count && i < other->view_count; i++) {
		const struct image_view *a = &one->views[i], *b = &other->views[i];

		snprintf(why, size, "materialized view %s does not hold what REFRESH gives: refresh it at the end of "
		         "the migrations, or make it WITH NO DATA", a->name);
		if (strcmp(a->name, b->name) != 0 || strcmp(a->digest, b->digest) != 0)
			return false;
	}
	snprintf(why, size, "another number of materialized views came out");
	return one->view_count == other->view_count;
}

bool
image_equal(const struct image *one, const struct image *other, char *why, size_t size)
{
	bool same = same_definitions(one, other, why, size) && same_tables(one, other, why, size)
	            && same_sequences(one, other, why, size) && same_views(one, other, why, size);

	if (same)
		why[0] = '\0';
	return same;
}

/* ---- writing ---- */

/* Several statements as one: plpgsql runs each behind the one before it, in the same transaction. */
static void
write_definitions(const struct image *image, const char *text, const char *slot, struct sql *sql)
{
	struct sql body = { 0 };
	char *renamed;

	if (!text[strspn(text, " \n")])
		return;
	renamed = image_rename(text, image->schema, slot);
	sql_add(&body, "BEGIN EXECUTE %L; END", renamed);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
	free(renamed);
}

void
image_write_before(const struct image *image, const char *slot, struct sql *sql)
{
	write_definitions(image, image->before, slot, sql);
}

void
image_write_after(const struct image *image, const char *slot, struct sql *sql)
{
	write_definitions(image, image->after, slot, sql);
}

void
image_write_table(const struct image_table *table, const char *slot, struct sql *sql)
{
	if (table->count == 0)
		return;
	if (!*table->columns) { /* rows of nothing, or of generated columns alone */
		sql_add(sql, "INSERT INTO %I.%s SELECT FROM generate_series(1, %l)", slot, table->name, table->count);
		return;
	}
	sql_add(sql, "INSERT INTO %I.%s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM unnest(%L::%I.%s[])", slot,
	        table->name, table->columns, table->columns, table->rows, slot, table->name);
}

void
image_write_rows(const struct image *image, const char *slot, struct sql *sql)
{
	struct sql body = { 0 };

	if (image->rows == 0)
		return;
	sql_add(&body, "BEGIN ");
	for (int i = 0; i < image->table_count; i++) {
		image_write_table(&image->tables[i], slot, &body);
		if (image->tables[i].count > 0)
			sql_add(&body, "; ");
	}
	sql_add(&body, "END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
write_sequence(const struct image_sequence *sequence, const char *slot, struct sql *body)
{
	struct sql name = { 0 };

	sql_add(&name, "%I.%s", slot, sequence->name);
	sql_add(body, " PERFORM pg_catalog.setval(%L, %l, %s);", name.text, sequence->last,
	        sequence->called ? "true" : "false");
	sql_fini(&name);
}

void
image_write_end(const struct image *image, const char *slot, struct sql *sql)
{
	struct sql body = { 0 };

	if (image->sequence_count == 0 && image->view_count == 0)
		return;
	sql_add(&body, "BEGIN");
	for (int i = 0; i < image->sequence_count; i++)
		write_sequence(&image->sequences[i], slot, &body);
	for (int i = 0; i < image->view_count; i++)
		sql_add(&body, " REFRESH MATERIALIZED VIEW %I.%s;", slot, image->views[i].name);
	sql_add(&body, " END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}
