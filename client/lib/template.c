/* SPDX-License-Identifier: MIT */
/* Building templates, and bringing leases back to what they were: TEMPLATE, RESET, BASELINE. */
#include "client/lib/client.h"

/* clang-format off */
#define SEAL(field) { #field, offsetof(struct berth_seal_report, field), FIELD_LONG, FIELD_ALWAYS }
#define RESET(field, type) { #field, offsetof(struct berth_reset_report, field), type, FIELD_ALWAYS }

static const struct field seal_fields[] = {
	SEAL(tables),
	SEAL(rows),
	SEAL(bytes),
	SEAL(us),
	{ 0 }
};

static const struct field reset_fields[] = {
	RESET(tables, FIELD_LONG),
	RESET(rows, FIELD_LONG),
	RESET(sequences, FIELD_LONG),
	RESET(rebuilt, FIELD_INT),
	RESET(us, FIELD_LONG),
	{ 0 }
};
/* clang-format on */

/* The daemon bounds the time of these by itself. `into` is filled only if all of it is there. */
static int
ask_report(struct berth_client *c, int argc, const char *const argv[], const struct field *fields,
           void *into, struct berth_error *e)
{
	struct berth_reply *reply = NULL;
	int n;

	if (libberth_ask(c, BERTH_WAIT_FOREVER, argc, argv, BERTH_REPLY_ARRAY, &reply, e) < 0)
		return -1;
	n = libberth_map_read(reply, fields, into, e);
	berth_reply_free(reply);
	return n;
}

int
berth_template_seal(struct berth_client *c, const char *id, struct berth_seal_report *ret,
                    struct berth_error *e)
{
	const char *words[] = { "TEMPLATE", "SEAL", id };
	struct berth_seal_report report = { 0 };

	if (ask_report(c, 3, words, seal_fields, &report, e) < 0)
		return -1;
	if (ret)
		*ret = report;
	return 0;
}

int
berth_template_abort(struct berth_client *c, const char *id, const char *message,
                     struct berth_error *e)
{
	const char *words[] = { "TEMPLATE", "ABORT", id, message };

	return libberth_tell(c, 0, message ? 4 : 3, words, e);
}

int
berth_template_drop(struct berth_client *c, const char *key, struct berth_error *e)
{
	const char *words[] = { "TEMPLATE", "DROP", key };

	return libberth_tell(c, BERTH_WAIT_FOREVER, 3, words, e);
}

int
berth_reset(struct berth_client *c, const char *id, bool force, struct berth_reset_report *ret,
            struct berth_error *e)
{
	const char *words[] = { "RESET", id, "FORCE" };
	struct berth_reset_report report = { 0 };

	if (ask_report(c, force ? 3 : 2, words, reset_fields, &report, e) < 0)
		return -1;
	if (ret)
		*ret = report;
	return 0;
}

int
berth_baseline(struct berth_client *c, const char *id, struct berth_error *e)
{
	const char *words[] = { "BASELINE", id };

	return libberth_tell(c, BERTH_WAIT_FOREVER, 2, words, e);
}
