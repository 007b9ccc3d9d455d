/* SPDX-License-Identifier: MIT */
/* What real Redis clients say before anything else: HELLO PING ECHO AUTH SELECT QUIT RESET COMMAND CLIENT. */
#include <stdio.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/verb.h"

void
verb_ping(struct session *session, const struct request *request)
{
	if (request->argc == 1)
		reply_simple(&session->reply, "PONG");
	else
		reply_bulk(&session->reply, request->argv[1].ptr, request->argv[1].len);
}

void
verb_echo(struct session *session, const struct request *request)
{
	reply_bulk(&session->reply, request->argv[1].ptr, request->argv[1].len);
}

/* Peers are known by their uid; a password that a client insists on sending proves nothing. */
void
verb_auth(struct session *session, const struct request *request)
{
	reply_ok(&session->reply);
}

void
verb_select(struct session *session, const struct request *request)
{
	int64_t db;

	if (request_arg_int(&request->argv[1], &db) && db == 0)
		reply_ok(&session->reply);
	else
		session_error(session, BERTH_ERR, "there is one database here, 0; the Redis databases that are leased "
		              "are on the Redis server (redis_url in ACQUIRE's answer)");
}

void
verb_quit(struct session *session, const struct request *request)
{
	reply_ok(&session->reply);
	session->closing = true;
}

/* ---- HELLO ---- */

static void
set_name(struct session *session, const struct request_arg *name)
{
	snprintf(session->name, sizeof session->name, "%.*s", (int)(name->len > 63 ? 63 : name->len), name->ptr);
}

/* [AUTH user password] [SETNAME name]; -1: the error was replied. */
static int
hello_options(struct session *session, const struct request *request)
{
	for (int i = 2; i < request->argc; i++) {
		if (request_arg_is(&request->argv[i], "AUTH") && i + 2 < request->argc) {
			i += 2;
		} else if (request_arg_is(&request->argv[i], "SETNAME") && i + 1 < request->argc) {
			set_name(session, &request->argv[++i]);
		} else {
			session_error(session, BERTH_USAGE, "it is: HELLO %s", verb_rows[VERB_hello].usage);
			return -1;
		}
	}
	return 0;
}

void
verb_hello(struct session *session, const struct request *request)
{
	struct reply *reply = &session->reply;
	int64_t version = session->reply.resp;

	if (request->argc > 1
	    && (!request_arg_int(&request->argv[1], &version) || version < 2 || version > 3)) {
		/* The code that clients of Redis look for when they try 3 and fall back. */
		reply_error(reply, &(struct berth_error){ BERTH_ERR, "Protocol version must be 2 or 3" });
		return;
	}
	if (hello_options(session, request) < 0)
		return;
	reply->resp = (int)version;
	reply_map(reply, 7);
	reply_field_text(reply, "server", "berth");
	reply_field_text(reply, "version", BERTH_VERSION);
	reply_field_int(reply, "proto", version);
	reply_field_int(reply, "id", (int64_t)session->id);
	reply_field_text(reply, "mode", "standalone");
	reply_field_text(reply, "role", "master");
	reply_text(reply, "modules");
	reply_array(reply, 0);
}

/* ---- CLIENT ---- */

void
verb_client(struct session *session, const struct request *request)
{
	const struct request_arg *what = &request->argv[1];

	if (request_arg_is(what, "SETINFO") && request->argc == 4) {
		reply_ok(&session->reply);
	} else if (request_arg_is(what, "SETNAME") && request->argc == 3) {
		set_name(session, &request->argv[2]);
		reply_ok(&session->reply);
	} else if (request_arg_is(what, "GETNAME") && request->argc == 2) {
		reply_text(&session->reply, *session->name ? session->name : NULL);
	} else if (request_arg_is(what, "ID") && request->argc == 2) {
		reply_int(&session->reply, (int64_t)session->id);
	} else {
		session_error(session, BERTH_ERR, "it is: CLIENT %s", verb_rows[VERB_client].usage);
	}
}

/* ---- COMMAND ---- */

static void
lower(const char *word, char out[32])
{
	size_t i = 0;

	for (; i < 31 && word[i]; i++)
		out[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 'a' - 'A' : word[i]);
	out[i] = '\0';
}

/* Redis' six columns: name, arity (negative: at least), flags, and no keys. */
static void
reply_row(struct reply *reply, const struct verb_row *row)
{
	char name[32];

	lower(row->word, name);
	reply_array(reply, 6);
	reply_text(reply, name);
	reply_int(reply, row->max == row->min ? row->min : -row->min);
	reply_array(reply, 1);
	reply_simple(reply, row->flags & VERB_READ ? "readonly" : "write");
	for (int i = 0; i < 3; i++)
		reply_int(reply, 0);
}

static void
reply_docs(struct reply *reply, const struct verb_row *row)
{
	char name[32], usage[512];

	lower(row->word, name);
	snprintf(usage, sizeof usage, "%s %s", row->word, row->usage);
	reply_text(reply, name);
	reply_map(reply, 4);
	reply_field_text(reply, "summary", row->summary);
	reply_field_text(reply, "since", "0.1.0");
	reply_field_text(reply, "group", row->flags & VERB_HANDSHAKE ? "connection" : "lease");
	reply_field_text(reply, "syntax", usage);
}

static void
command_info(struct session *session, const struct request *request)
{
	reply_array(&session->reply, (size_t)(request->argc > 2 ? request->argc - 2 : VERBS));
	for (int i = 2; i < request->argc; i++) {
		int verb = verb_find(&request->argv[i]);

		if (verb < 0)
			reply_null(&session->reply);
		else
			reply_row(&session->reply, &verb_rows[verb]);
	}
	for (int verb = 0; request->argc <= 2 && verb < VERBS; verb++)
		reply_row(&session->reply, &verb_rows[verb]);
}

static void
command_docs(struct session *session, const struct request *request)
{
	size_t known = 0;

	for (int i = 2; i < request->argc; i++)
		known += verb_find(&request->argv[i]) >= 0;
	reply_map(&session->reply, request->argc > 2 ? known : VERBS);
	for (int i = 2; i < request->argc; i++)
		if (verb_find(&request->argv[i]) >= 0)
			reply_docs(&session->reply, &verb_rows[verb_find(&request->argv[i])]);
	for (int verb = 0; request->argc <= 2 && verb < VERBS; verb++)
		reply_docs(&session->reply, &verb_rows[verb]);
}

void
verb_command(struct session *session, const struct request *request)
{
	char name[32];

	if (request->argc == 1 || request_arg_is(&request->argv[1], "INFO")) {
		command_info(session, request);
	} else if (request_arg_is(&request->argv[1], "DOCS")) {
		command_docs(session, request);
	} else if (request_arg_is(&request->argv[1], "COUNT")) {
		reply_int(&session->reply, VERBS);
	} else if (request_arg_is(&request->argv[1], "LIST")) {
		reply_array(&session->reply, VERBS);
		for (int verb = 0; verb < VERBS; verb++) {
			lower(verb_rows[verb].word, name);
			reply_text(&session->reply, name);
		}
	} else {
		session_error(session, BERTH_ERR, "it is: COMMAND %s", verb_rows[VERB_command].usage);
	}
}
