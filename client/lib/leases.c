/* SPDX-License-Identifier: MIT */
/* The list of leases, walked row by row. */
#include "client/lib/client.h"

#include <stdio.h>
#include <stdlib.h>

struct berth_leases {
	struct berth_reply *reply; /* owned */
	size_t next;
	struct berth_lease_row row; /* borrows from the reply */
};

/* clang-format off */
#define TEXT(field, need) { #field, offsetof(struct berth_lease_row, field), FIELD_TEXT, need }
#define INT(field, need) { #field, offsetof(struct berth_lease_row, field), FIELD_INT, need }
#define LONG(field, need) { #field, offsetof(struct berth_lease_row, field), FIELD_LONG, need }

static const struct field row_fields[] = {
	TEXT(lease, FIELD_ALWAYS),
	TEXT(run, FIELD_ALWAYS),
	TEXT(worker, FIELD_ALWAYS),
	{ "state", offsetof(struct berth_lease_row, state), FIELD_STATE, FIELD_ALWAYS },
	INT(position, FIELD_ALWAYS),
	TEXT(kind, FIELD_ALWAYS),
	TEXT(schema, FIELD_HELD),
	TEXT(role, FIELD_HELD),
	TEXT(dbname, FIELD_MAYBE),
	TEXT(redis, FIELD_HELD),
	INT(redis_db, FIELD_MAYBE),
	LONG(fence, FIELD_HELD),
	LONG(uid, FIELD_ALWAYS),
	LONG(pid, FIELD_MAYBE),
	TEXT(label, FIELD_MAYBE),
	LONG(age_ms, FIELD_ALWAYS),
	LONG(expires_ms, FIELD_HELD),
	INT(connections, FIELD_ALWAYS),
	{ 0 }
};
/* clang-format on */

#undef TEXT
#undef INT
#undef LONG

/* Every row is read once here, so that walking the list cannot fail. */
static int
check_rows(struct berth_leases *list, struct berth_error *e)
{
	for (size_t i = 0; i < list->reply->count; i++)
		if (libberth_map_read(list->reply->items[i], row_fields, &list->row, e) < 0)
			return -1;
	return 0;
}

int
berth_leases(struct berth_client *c, const char *run, long long uid, struct berth_leases **ret,
             struct berth_error *e)
{
	char number[24];
	const char *words[5] = { "LEASES" };
	int argc = 1;
	struct berth_leases *list;

	snprintf(number, sizeof number, "%lld", uid);
	if (run) {
		words[argc++] = "RUN";
		words[argc++] = run;
	}
	if (uid >= 0) {
		words[argc++] = "UID";
		words[argc++] = number;
	}
	list = calloc(1, sizeof *list);
	if (!list)
		return libberth_oom(e);
	if (libberth_ask(c, 0, argc, words, BERTH_REPLY_ARRAY, &list->reply, e) < 0
	    || check_rows(list, e) < 0) {
		berth_leases_free(list);
		return -1;
	}
	*ret = list;
	return 0;
}

const struct berth_lease_row *
berth_leases_next(struct berth_leases *list)
{
	if (list->next == list->reply->count)
		return NULL;
	libberth_map_read(list->reply->items[list->next++], row_fields, &list->row, NULL);
	return &list->row;
}

void
berth_leases_free(struct berth_leases *list)
{
	if (!list)
		return;
	berth_reply_free(list->reply);
	free(list);
}
