/* SPDX-License-Identifier: MIT */
/* CONFIG RELOAD: the settings in force. */
#include <stdio.h>

#include "daemon/berthd.h"
#include "daemon/reload.h"
#include "daemon/verb.h"

static void
count_key(void *arg, const char *key, const char *value)
{
	++*(size_t *)arg;
}

static void
reply_key(void *arg, const char *key, const char *value)
{
	reply_field_text(arg, key, value);
}

void
verb_config(struct session *session, const struct request *request)
{
	char pattern[128];
	size_t count = 0;

	if (request->argc != 3 || !request_arg_is(&request->argv[1], "GET")) {
		session_error(session, BERTH_USAGE, "it is: CONFIG %s", verb_rows[VERB_config].usage);
		return;
	}
	snprintf(pattern, sizeof pattern, "%.*s", (int)(request->argv[2].len > 127 ? 127 : request->argv[2].len),
	         request->argv[2].ptr);
	config_each(&session->berthd->config, pattern, count_key, &count);
	reply_map(&session->reply, count);
	config_each(&session->berthd->config, pattern, reply_key, &session->reply);
}

void
verb_reload(struct session *session, const struct request *request)
{
	struct config_changes changes;
	struct berth_error e;

	if (reload(session->berthd, &changes, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	reply_array(&session->reply, (size_t)changes.count);
	for (int i = 0; i < changes.count; i++) {
		reply_map(&session->reply, 2);
		reply_field_text(&session->reply, "key", changes.list[i].key);
		reply_field_text(&session->reply, "effect", changes.list[i].taken ? "taken" : "restart");
	}
	config_changes_fini(&changes);
}
