/* SPDX-License-Identifier: MIT */
/* berth template: schemas that are migrated once, and from which leases are made. */
#include <libsmartcols/libsmartcols.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/build.h"
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/fingerprint.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"
#include "client/cli/show.h"
#include "client/cli/wish.h"

const struct command command_template;

static struct wish wish = { .worker = "build", .ttl_ms = NO_TTL, .wait_ms = USUAL_WAIT };
static bool shell;

/* clang-format off */
static const struct cli_option options[] = {
	WISH_OPTION_KIND(wish),
	WISH_OPTION_REDIS(wish),
	WISH_OPTION_WAIT(wish),
	WISH_OPTION_ENV(wish),
	{ "shell", NULL, OPTION_FLAG, &shell, "after seal, the new variables as `export NAME='...'` lines" },
	{ 0 }
};

static const struct rows_column columns[] = {
	{ "key",     "KEY",    0.3, SCOLS_FL_TRUNC },
	{ "kind",    "KIND",   6 },
	{ "state",   "STATE",  6 },
	{ "tables",  "TABLES", 6,   SCOLS_FL_RIGHT },
	{ "rows",    "ROWS",   6,   SCOLS_FL_RIGHT },
	{ "bytes",   "SIZE",   6,   SCOLS_FL_RIGHT, ROWS_BYTES },
	{ "slots",   "SLOTS",  5,   SCOLS_FL_RIGHT },
	{ "leases",  "LEASES", 6,   SCOLS_FL_RIGHT },
	{ "builder", "BUILDER", 0.3, SCOLS_FL_TRUNC },
	{ "runner" },
	{ "age_ms",  "AGE",    6,   SCOLS_FL_RIGHT, ROWS_AGE },
	{ "idle_ms", "IDLE",   6,   SCOLS_FL_RIGHT, ROWS_AGE },
	{ 0 }
};
/* clang-format on */

/* ---- build ---- */

static bool
is_text(const struct berth_reply *map, const char *field, const char *text)
{
	const struct berth_reply *value = rows_field(map, field);

	return value && value->type == BERTH_REPLY_TEXT && strcmp(value->text, text) == 0;
}

/* Asked beforehand, so that one that is there costs no slot and waits for none. */
static bool
is_sealed(struct berth_client *client, const char *key)
{
	struct berth_reply *rows;
	bool sealed = false;

	if (berth_command(client, 0, 2, (const char *const[]){ "TEMPLATE", "LIST" }, &rows, NULL)
	    < 0)
		return false; /* ACQUIRE will say what is wrong */
	for (size_t i = 0; i < rows->count && !sealed; i++)
		sealed = is_text(rows->items[i], "key", key)
		         && is_text(rows->items[i], "kind", wish.kind ? wish.kind : "schema")
		         && is_text(rows->items[i], "state", "sealed");
	berth_reply_free(rows);
	return sealed;
}

static int
build_in(struct berth_client *client, const struct berth_lease *lease,
         const struct invocation *asked)
{
	struct build b = {
		.client = client,
		.lease = lease,
		.env = &wish.env,
		.argc = asked->command_argc,
		.argv = asked->command,
	};
	int status = build(&b);

	if (status == 0)
		wish_release(client, lease);
	return status;
}

static int
build_unless_sealed(struct berth_client *client, const struct invocation *asked)
{
	bool sealed = is_sealed(client, wish.template);
	struct berth_lease *lease = NULL;
	int status = sealed ? 0 : wish_acquire(&wish, client, &lease);

	if (status)
		return status;
	if (!sealed && berth_lease_builds(lease)) {
		status = build_in(client, lease, asked);
	} else {
		notice("the template %s is sealed already", wish.template);
		if (lease)
			wish_release(client, lease);
	}
	berth_lease_free(lease);
	return status;
}

static int
run_build(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("template", "%s", e.message);
	wish.template = asked->argv[0];
	status = session_open(asked, &client);
	if (status)
		return status;
	status = build_unless_sealed(client, asked);
	berth_close(client);
	return status;
}

/* ---- key ---- */

static int
run_key(const struct invocation *asked)
{
	struct texts files = { (const char **)asked->argv, (size_t)asked->argc };
	char print[FINGERPRINT_TEXT];
	struct berth_error e;

	if (fingerprint("", &files, print, &e) < 0)
		return e.code == BERTH_USAGE ? complain_usage("template", "%s", e.message)
		                             : complain(NULL, &e);
	if (asked->json)
		json_print(json_pack("{s:s}", "key", print));
	else
		puts(print);
	return 0;
}

/* ---- ls, drop ---- */

static int
run_ls(const struct invocation *asked)
{
	struct berth_reply *rows;
	int status = session_ask(asked, 0, 2, (const char *const[]){ "TEMPLATE", "LIST" }, &rows);

	if (status)
		return status;
	rows_show(rows, asked->json, columns, "no templates");
	berth_reply_free(rows);
	return 0;
}

static int
run_drop(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_template_drop(client, asked->argv[0], &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:b}", "key", text_json(asked->argv[0]), "dropped", 1));
	berth_close(client);
	return status;
}

/* ---- seal, abort ---- */

static void
show_report(const struct invocation *asked, const char *id, const struct berth_seal_report *report)
{
	char text[256];

	build_describe(report, text, sizeof text);
	if (asked->json)
		json_print(json_pack("{s:o, s:I, s:I, s:I, s:I}", "lease", text_json(id), "tables",
		                     (json_int_t)report->tables, "rows", (json_int_t)report->rows,
		                     "bytes", (json_int_t)report->bytes, "us",
		                     (json_int_t)report->us));
	else
		printf("sealed: %s\n", text);
}

/* What the lease has become, once it is there. */
static int
show_new_lease(struct berth_client *client, const char *id)
{
	struct berth_lease *lease;
	struct berth_error e;
	char *path;
	int status;

	if (berth_lease_get(client, id, 0, &lease, &e) < 0)
		return complain(client, &e);
	status = wish_again(&wish, client, &lease);
	path = session_path(client);
	if (status == 0)
		show_lease(SHOW_SHELL, lease, path, &wish.env);
	free(path);
	berth_lease_free(lease);
	return status;
}

static int
seal(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_seal_report report;
	struct berth_error e;

	if (berth_template_seal(client, id, &report, &e) < 0)
		return complain(client, &e);
	if (shell)
		return show_new_lease(client, id);
	show_report(asked, id, &report);
	return 0;
}

static int
run_seal(const struct invocation *asked)
{
	struct berth_error e;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("template", "%s", e.message);
	if (shell && asked->json)
		return complain_usage("template", "--shell and --json exclude each other");
	return session_do(&command_template, asked, seal);
}

static int
give_up(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_error e;

	if (berth_template_abort(client, id, asked->argc > 1 ? asked->argv[1] : NULL, &e) < 0)
		return complain(client, &e);
	if (asked->json)
		json_print(json_pack("{s:o, s:b}", "lease", text_json(id), "aborted", 1));
	return 0;
}

static int
run_abort(const struct invocation *asked)
{
	return session_do(&command_template, asked, give_up);
}

/* ---- which of them ---- */

/* clang-format off */
static const struct {
	const char *word;
	const char *usage; /* what follows the word */
	int least, most;   /* words after it */
	bool takes_command;
	int (*run)(const struct invocation *asked);
} parts[] = {
	{ "build", "KEY -- CMD",        1, 1,       true,  run_build },
	{ "key",   "FILE...",           1, INT_MAX, false, run_key },
	{ "ls",    "",                  0, 0,       false, run_ls },
	{ "drop",  "KEY",               1, 1,       false, run_drop },
	{ "seal",  "[LEASE]",           0, 1,       false, run_seal },
	{ "abort", "[LEASE [MESSAGE]]", 0, 2,       false, run_abort },
};
/* clang-format on */

enum { PARTS = sizeof parts / sizeof *parts };

static int
run(const struct invocation *asked)
{
	const char *word = asked->argc ? asked->argv[0] : "";
	struct invocation rest = *asked;
	int i = 0;

	while (i < PARTS && strcmp(parts[i].word, word) != 0)
		i++;
	if (i == PARTS)
		return complain_usage("template", "%s%s%sbuild, key, ls, drop, seal or abort?",
		                      *word ? "'" : "", word, *word ? "': " : "");
	rest.argc--;
	rest.argv++;
	if (rest.argc < parts[i].least || rest.argc > parts[i].most
	    || parts[i].takes_command != (rest.command != NULL))
		return complain_usage("template", "it is: berth template %s%s%s", word,
		                      *parts[i].usage ? " " : "", parts[i].usage);
	return parts[i].run(&rest);
}

const struct command command_template = {
	.name = "template",
	.usage = "build KEY -- CMD [ARGUMENT...] | key FILE... | ls | drop KEY |\n"
		 "                      seal [LEASE] | abort [LEASE [MESSAGE]]",
	.summary = "Schemas that are migrated once, for leases to be made from",
	.details =
		"build runs CMD, which migrates, in a lease's environment as `berth exec` would, and seals what it\n"
		"made under KEY; from then on leases with --template KEY have that. What is sealed already is not\n"
		"built again, and of many at once one builds. If CMD fails, those that wait are told its last words\n"
		"on stderr (unless that is a terminal); the exit status is CMD's. --json changes nothing there.\n"
		"\n"
		"key prints a fingerprint of files, the same on every machine: a KEY for what they migrate to.\n"
		"ls shows all templates: a table on a terminal, else one line for each with tabs between: key kind\n"
		"state tables rows bytes slots leases builder runner age_ms idle_ms; - stands for nothing.\n"
		"drop removes one that is not in use.\n"
		"\n"
		"seal and abort are for scripts that build in a lease from `berth acquire --template KEY`. After\n"
		"seal the lease has another schema and password; --shell tells them. abort ends the lease; MESSAGE\n"
		"is what those that wait are told, without it the next of them builds. LEASE is an id or\n"
		"RUN/WORKER; without it, $BERTH_LEASE.\n"
		"\n"
		"  eval \"$(berth acquire --template \"$key\" --shell)\"\n"
		"  if [ \"$BERTH_STATE\" = building ]; then\n"
		"      alembic upgrade head || { berth template abort \"$BERTH_LEASE\" 'it failed'; exit 1; }\n"
		"      eval \"$(berth template seal --shell)\"\n"
		"  fi\n"
		"\n" WISH_DETAILS,
	.options = options,
	.most = INT_MAX,
	.takes = TAKES_COMMAND_AFTER_DASHES,
	.run = run,
};
