/* SPDX-License-Identifier: MIT */
/* The lease map as a struct that owns the reply it was read from; ATTACH answers with one. */
#include "client/lib/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lease together with the reply that its strings point into. */
struct lease {
	struct berth_lease lease; /* first: a pointer to it is a pointer to the whole */
	struct berth_reply *reply;
};

/* clang-format off */
#define TEXT(field, need) { #field, offsetof(struct berth_lease, field), FIELD_TEXT, need }
#define INT(field, need) { #field, offsetof(struct berth_lease, field), FIELD_INT, need }
#define LONG(field, need) { #field, offsetof(struct berth_lease, field), FIELD_LONG, need }

static const struct field lease_fields[] = {
	TEXT(lease, FIELD_ALWAYS),
	TEXT(run, FIELD_ALWAYS),
	TEXT(worker, FIELD_ALWAYS),
	{ "state", offsetof(struct berth_lease, state), FIELD_STATE, FIELD_ALWAYS },
	INT(position, FIELD_ALWAYS),
	TEXT(kind, FIELD_ALWAYS),
	{ "template", offsetof(struct berth_lease, template_key), FIELD_TEXT, FIELD_MAYBE },
	TEXT(builder, FIELD_MAYBE),
	TEXT(schema, FIELD_HELD),
	TEXT(role, FIELD_HELD),
	TEXT(dsn, FIELD_HELD),
	TEXT(host, FIELD_HELD),
	INT(port, FIELD_HELD),
	TEXT(dbname, FIELD_HELD),
	TEXT(user, FIELD_HELD),
	TEXT(password, FIELD_HELD),
	TEXT(options, FIELD_MAYBE),
	TEXT(redis, FIELD_HELD),
	TEXT(redis_url, FIELD_MAYBE),
	TEXT(redis_host, FIELD_MAYBE),
	INT(redis_port, FIELD_MAYBE),
	TEXT(redis_socket, FIELD_MAYBE),
	INT(redis_db, FIELD_MAYBE),
	TEXT(redis_user, FIELD_MAYBE),
	TEXT(redis_password, FIELD_MAYBE),
	LONG(fence, FIELD_HELD),
	LONG(expires_ms, FIELD_HELD),
	TEXT(why, FIELD_MAYBE),
	{ 0 }
};
/* clang-format on */

#undef TEXT
#undef INT
#undef LONG

/* Takes the reply, on failure too. */
static int
lease_new(struct berth_reply *reply, struct berth_lease **ret, struct berth_error *e)
{
	struct lease *lease = calloc(1, sizeof *lease);

	if (!lease || libberth_map_read(reply, lease_fields, &lease->lease, e) < 0) {
		if (!lease)
			libberth_oom(e);
		free(lease);
		berth_reply_free(reply);
		return -1;
	}
	lease->reply = reply;
	*ret = &lease->lease;
	return 0;
}

void
berth_lease_free(struct berth_lease *lease)
{
	struct lease *whole = (struct lease *)lease;

	if (!whole)
		return;
	for (size_t i = 0; i < whole->reply->count; i++)
		if (whole->reply->items[i]->text)
			explicit_bzero(whole->reply->items[i]->text, whole->reply->items[i]->len);
	berth_reply_free(whole->reply);
	free(whole);
}

bool
berth_lease_builds(const struct berth_lease *lease)
{
	return lease->state == BERTH_STATE_BUILDING && lease->dsn && lease->template_key;
}

int
libberth_ask_lease(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
                   struct berth_lease **ret, struct berth_error *e)
{
	struct berth_reply *reply = NULL;

	if (libberth_ask(c, wait_ms, argc, argv, BERTH_REPLY_ARRAY, &reply, e) < 0)
		return -1;
	return lease_new(reply, ret, e);
}

int
berth_attach(struct berth_client *c, const char *id, long long fence, struct berth_lease **ret,
             struct berth_error *e)
{
	char number[24];
	const char *words[] = { "ATTACH", id, number };

	struct berth_lease *lease;

	snprintf(number, sizeof number, "%lld", fence);
	if (libberth_ask_lease(c, 0, 3, words, &lease, e) < 0)
		return -1;
	if (libberth_hold(c, lease, e) < 0) {
		berth_lease_free(lease);
		return -1;
	}
	*ret = lease;
	return 0;
}
