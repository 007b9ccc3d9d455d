/* SPDX-License-Identifier: MIT */
/* One row for each text, table, sequence and view, in their order. */
#include "daemon/image_store.h"

#include <string.h>

#include "daemon/pg/flow.h"

struct part {
	const char *what, *name, *detail, *body;
	int64_t number;
	bool flag;
};

struct writing {
	const char *key, *kind;
	struct sql *sql;
	int n;
};

static void
put(struct writing *writing, const struct part *part)
{
	sql_add(writing->sql, "%s (%L, %L, %d, %L, %L, %L, %L, %l, %s)", writing->n ? "," : "", writing->key, writing->kind,
	        writing->n, part->what, part->name, part->detail, part->body, part->number, part->flag ? "true" : "false");
	writing->n++;
}

void
image_store(const struct image *image, const char *key, const char *kind, struct sql *sql)
{
	struct writing writing = { .key = key, .kind = kind, .sql = sql };

	sql_add(sql, "INSERT INTO berth.template_part (key, kind, n, what, name, detail, body, number, flag) VALUES");
	put(&writing, &(struct part){ .what = "before", .name = "", .body = image->before, .flag = image->forced });
	put(&writing, &(struct part){ .what = "after", .name = "", .body = image->after });
	for (int i = 0; i < image->table_count; i++) {
		const struct image_table *table = &image->tables[i];

		put(&writing, &(struct part){ .what = "table", .name = table->name, .detail = table->columns,
		                              .body = table->rows, .number = table->count });
	}
	for (int i = 0; i < image->sequence_count; i++) {
		const struct image_sequence *sequence = &image->sequences[i];

		put(&writing, &(struct part){ .what = "sequence", .name = sequence->name, .number = sequence->last,
		                              .flag = sequence->called });
	}
	for (int i = 0; i < image->view_count; i++)
		put(&writing, &(struct part){ .what = "view", .name = image->views[i].name,
		                              .detail = image->views[i].digest });
}

void
image_ask(const char *key, const char *kind, struct sql *sql)
{
	sql_add(sql, "SELECT what, name, detail, body, number, flag FROM berth.template_part WHERE key = %L AND kind = %L"
	             " ORDER BY n",
	        key, kind);
}

struct image *
image_load(const PGresult *result, const char *schema)
{
	struct image *image;

	if (PQntuples(result) < 2 || strcmp(flow_cell(result, 0, 0), "before") != 0
	    || strcmp(flow_cell(result, 1, 0), "after") != 0)
		return NULL;
	image = image_new(schema);
	image->forced = flow_cell(result, 0, 5)[0] == 't';
	image_set_definitions(image, flow_cell(result, 0, 3), flow_cell(result, 1, 3));
	for (int row = 2; row < PQntuples(result); row++) {
		const char *what = flow_cell(result, row, 0), *name = flow_cell(result, row, 1);
		int64_t number = flow_cell_int(result, row, 4);

		if (strcmp(what, "table") == 0)
			image_add_table(image, name, flow_cell(result, row, 2), flow_cell(result, row, 3), number);
		else if (strcmp(what, "sequence") == 0)
			image_add_sequence(image, name, number, flow_cell(result, row, 5)[0] == 't');
		else
			image_add_view(image, name, flow_cell(result, row, 2));
	}
	return image;
}
