/* SPDX-License-Identifier: MIT */
/* A lease as a map: the answer of ACQUIRE, LEASE and ATTACH. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/pg/target.h"
#include "daemon/redis/redis.h"
#include "daemon/url.h"
#include "daemon/verb.h"

enum { LEASE_FIELDS = 28 };

static void
text_unless_empty(struct reply *reply, const char *name, const char *text)
{
	reply_field_text(reply, name, text && *text ? text : NULL);
}

/* As berthd finds it itself, unless the settings send leases elsewhere. */
static struct url_server
server_of(const struct berthd *berthd, const struct pg_facts *facts, char port[8])
{
	const char *host = berthd->config.lease_host, *mode = pg_target_value(berthd->target, "sslmode");
	bool elsewhere = *host != '\0';

	snprintf(port, 8, "%d", berthd->config.lease_port);
	return (struct url_server){
		.host = elsewhere ? host : facts->host,
		.port = berthd->config.lease_port ? port : facts->port,
		.sslmode = elsewhere || strcmp(mode, "prefer") == 0 ? "" : mode,
		.sslrootcert = elsewhere ? "" : pg_target_value(berthd->target, "sslrootcert"),
	};
}

static void
reply_pg(struct reply *reply, const struct lease *lease, const struct berthd *berthd)
{
	const struct pg_facts *facts = pg_facts(&berthd->pg);
	const struct slot *slot = lease->slot;
	char dsn[8192], port[8], options[URL_OPTIONS];
	struct url_server server = server_of(berthd, facts, port);

	url_options(slot, &berthd->config, options);
	server.options = options;
	url_of_slot(slot, facts, &server, dsn, sizeof dsn);
	reply_field_text(reply, "schema", slot->kind == SLOT_SCHEMA ? slot->name : "public");
	reply_field_text(reply, "role", slot->role);
	reply_field_text(reply, "dsn", dsn);
	reply_field_text(reply, "host", server.host);
	reply_field_int(reply, "port", atoi(server.port));
	reply_field_text(reply, "dbname", url_database(slot, facts));
	reply_field_text(reply, "user", slot->role);
	reply_field_text(reply, "password", slot->password);
	text_unless_empty(reply, "options", options);
	explicit_bzero(dsn, sizeof dsn);
}

static void
reply_redis(struct reply *reply, const struct redis_slot *redis)
{
	reply_field_text(reply, "redis", redis_mode_word(redis ? redis->mode : REDIS_NONE));
	text_unless_empty(reply, "redis_url", redis ? redis->url : NULL);
	text_unless_empty(reply, "redis_host", redis ? redis->host : NULL);
	reply_text(reply, "redis_port");
	if (redis && redis->port)
		reply_int(reply, redis->port);
	else
		reply_null(reply);
	text_unless_empty(reply, "redis_socket", redis ? redis->socket : NULL);
	reply_text(reply, "redis_db");
	if (redis)
		reply_int(reply, redis->db);
	else
		reply_null(reply);
	text_unless_empty(reply, "redis_user", redis ? redis->user : NULL);
	text_unless_empty(reply, "redis_password", redis ? redis->password : NULL);
}

/* Everything about servers is null until the lease is held. */
static void
reply_nothing_yet(struct reply *reply)
{
	static const char *const fields[] = { "schema", "role", "dsn", "host", "port", "dbname", "user", "password",
		                              "options", "redis", "redis_url", "redis_host", "redis_port", "redis_socket",
		                              "redis_db", "redis_user", "redis_password" };

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		reply_field_text(reply, fields[i], NULL);
}

/* Who builds what it waits for, or is. */
static void
reply_template(struct reply *reply, const struct lease *lease)
{
	const struct template *template = lease->want.template;
	bool built = template && (template->lease || template->state == TEMPLATE_THEIRS);

	reply_field_text(reply, "template", template ? template->key : NULL);
	text_unless_empty(reply, "builder", built ? template->builder : NULL);
}

void
reply_lease(struct session *session, struct lease *lease)
{
	struct reply *reply = &session->reply;
	char why[BERTH_ERROR_MESSAGE_MAX + 256];
	struct berth_error e;

	if (book_is_adopting(lease, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	if (lease->state == LEASE_FAILED) {
		session->berthd->errors[lease->failure.code]++;
		reply_error(reply, &lease->failure);
		book_told(lease);
		return;
	}
	reply_map(reply, LEASE_FIELDS);
	reply_field_text(reply, "lease", lease->id);
	reply_field_text(reply, "run", lease->run);
	reply_field_text(reply, "worker", lease->worker);
	reply_field_text(reply, "state", lease_state_word(lease));
	reply_field_int(reply, "position", queue_position(&session->berthd->book.queue, &lease->place));
	reply_field_text(reply, "kind", slot_kind_word(lease->want.kind));
	reply_template(reply, lease);
	if (lease->state == LEASE_HELD) {
		reply_pg(reply, lease, session->berthd);
		reply_redis(reply, lease->redis);
	} else {
		reply_nothing_yet(reply);
	}
	reply_text(reply, "fence");
	if (lease->state == LEASE_HELD)
		reply_int(reply, lease->slot->fence);
	else
		reply_null(reply);
	reply_field_int(reply, "expires_ms", book_ms_left(lease));
	reply_field_text(reply, "why", book_why(lease, why, sizeof why));
}
