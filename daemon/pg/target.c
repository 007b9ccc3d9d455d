/* SPDX-License-Identifier: MIT */
/* libpq's own parser over the conninfo; our resolver over its hosts. */
#include "daemon/pg/target.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/resolve.h"

enum { PARAMS_MAX = 64 };

struct pg_target {
	PQconninfoOption *options; /* the conninfo over libpq's defaults (PGHOST …) */
	char *hostaddr;            /* comma-separated, as many as there are hosts; NULL before the look-up */
	const char *keywords[PARAMS_MAX];
	const char *values[PARAMS_MAX];
};

struct pg_lookup {
	struct pg_target *target;
	struct evdns_base *dns;
	pg_target_done *done;
	void *arg;
	struct resolve *resolve;
	const char *rest; /* the hosts that are still to do */
	char found[1024];
	char why[256];
	bool stepping, answered, failed;
};

static PQconninfoOption *
find(PQconninfoOption *options, const char *keyword)
{
	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o;
	return NULL;
}

/* What the conninfo says goes over what the environment says. */
static void
overlay(PQconninfoOption *options, PQconninfoOption *said)
{
	for (PQconninfoOption *o = said; o->keyword; o++) {
		PQconninfoOption *into = o->val ? find(options, o->keyword) : NULL;

		if (!into)
			continue;
		PQfreemem(into->val);
		into->val = strdup(o->val);
	}
}

/* libpq's defaults: the environment over the service's file. Of a service that only the conninfo names,
 * libpq hears through the environment alone; a file that lacks it is told when connecting. */
static PQconninfoOption *
defaults(const char *service)
{
	const char *said = getenv("PGSERVICE");
	char *before = said ? strdup(said) : NULL;
	PQconninfoOption *found;

	if (service)
		setenv("PGSERVICE", service, 1);
	found = PQconndefaults();
	if (before)
		setenv("PGSERVICE", before, 1);
	else
		unsetenv("PGSERVICE");
	free(before);
	if (!found)
		abort();
	return found;
}

struct pg_target *
pg_target_new(const char *conninfo, struct berth_error *e)
{
	char *why = NULL;
	PQconninfoOption *said = PQconninfoParse(conninfo, &why);
	struct pg_target *target;

	if (!said) {
		/* libpq quotes the text it stumbled over, which may be a password: not repeated. */
		PQfreemem(why);
		berth_error_set(e, BERTH_USAGE, "is neither a postgresql:// URI nor key=value pairs "
		                                "that libpq understands (see PQconninfoParse)");
		return NULL;
	}
	target = calloc(1, sizeof *target);
	if (!target)
		abort();
	target->options = defaults(find(said, "service") ? find(said, "service")->val : NULL);
	overlay(target->options, said);
	PQconninfoFree(said);
	return target;
}

static void
set(struct pg_target *target, const char *keyword, const char *value)
{
	PQconninfoOption *option = find(target->options, keyword);

	if (!option)
		return;
	PQfreemem(option->val);
	option->val = value ? strdup(value) : NULL;
}

static void
set_unless_said(struct pg_target *target, const char *keyword, int value)
{
	char text[16];

	if (*pg_target_value(target, keyword))
		return;
	snprintf(text, sizeof text, "%d", value);
	set(target, keyword, text);
}

void
pg_target_keepalive(struct pg_target *target, int ms)
{
	set_unless_said(target, "keepalives_idle", ms < 3000 ? 1 : ms / 3000);
	set_unless_said(target, "keepalives_interval", ms < 6000 ? 1 : ms / 6000);
	set_unless_said(target, "keepalives_count", 3);
	set_unless_said(target, "tcp_user_timeout", ms);
}

struct pg_target *
pg_target_in(const struct pg_target *target, const char *database)
{
	struct pg_target *made = calloc(1, sizeof *made);

	if (!made || !(made->options = PQconndefaults()))
		abort();
	for (PQconninfoOption *o = made->options; o->keyword; o++) {
		PQfreemem(o->val);
		o->val = NULL;
	}
	overlay(made->options, target->options);
	set(made, "dbname", database);
	if (target->hostaddr)
		made->hostaddr = strdup(target->hostaddr);
	return made;
}

struct pg_target *
pg_target_as(const struct pg_target *target, const char *user, const char *password, const char *database)
{
	struct pg_target *made = pg_target_in(target, database);

	char *options;

	set(made, "user", user);
	set(made, "password", password);
	set(made, "passfile", NULL);
	/* What the role may have set for itself would come between before the session's settings are there. */
	if (asprintf(&options, "%s -c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off",
	             pg_target_value(target, "options")) < 0)
		abort();
	set(made, "options", options);
	free(options);
	return made;
}

char **
pg_target_environment(const struct pg_target *target, const char *options)
{
	char **made = calloc(PARAMS_MAX + 3, sizeof *made);
	int n = 0;

	for (PQconninfoOption *o = target->options; made && o->keyword && n < PARAMS_MAX; o++)
		if (o->envvar && o->val && *o->val && strcmp(o->keyword, "options") != 0 && asprintf(&made[n++], "%s=%s", o->envvar, o->val) < 0)
			abort();
	if (!made || asprintf(&made[n++], "LC_ALL=C") < 0
	    || asprintf(&made[n++], "PGOPTIONS=%s %s", pg_target_value(target, "options"), options) < 0)
		abort();
	if (target->hostaddr && strspn(target->hostaddr, ",") != strlen(target->hostaddr)
	    && !*pg_target_value(target, "hostaddr") && asprintf(&made[n++], "PGHOSTADDR=%s", target->hostaddr) < 0)
		abort();
	return made;
}

void
pg_target_free(struct pg_target *target)
{
	if (!target)
		return;
	PQconninfoFree(target->options);
	free(target->hostaddr);
	free(target);
}

const char *
pg_target_value(const struct pg_target *target, const char *keyword)
{
	const PQconninfoOption *o = find(target->options, keyword);

	return o && o->val ? o->val : "";
}

static void
lookup_finish(struct pg_lookup *lookup)
{
	pg_target_done *done = lookup->done;
	void *arg = lookup->arg;
	char why[sizeof lookup->why];
	bool failed = lookup->failed;

	memcpy(why, lookup->why, sizeof why);
	if (!failed) {
		free(lookup->target->hostaddr);
		lookup->target->hostaddr = strdup(lookup->found);
	}
	free(lookup);
	done(arg, failed ? why : NULL);
}

static void lookup_step(struct pg_lookup *lookup);

static void
on_address(void *arg, const char *address, const char *why)
{
	struct pg_lookup *lookup = arg;
	size_t used = strlen(lookup->found);

	lookup->resolve = NULL;
	lookup->answered = true;
	if (address) {
		snprintf(lookup->found + used, sizeof lookup->found - used, "%s", address);
	} else {
		lookup->failed = true;
		snprintf(lookup->why, sizeof lookup->why, "host %.*s: %s", (int)strcspn(lookup->rest, ","),
		         lookup->rest, why);
	}
	if (!lookup->stepping)
		lookup_step(lookup);
}

/* Passes over what needs no look-up (a directory, an empty host) and looks the next name up. */
static bool
lookup_one(struct pg_lookup *lookup)
{
	size_t len = strcspn(lookup->rest, ",");
	char host[256];

	lookup->answered = true;
	if (len == 0 || lookup->rest[0] == '/' || lookup->rest[0] == '@')
		return true;
	snprintf(host, sizeof host, "%.*s", (int)len, lookup->rest);
	lookup->answered = false;
	lookup->resolve = resolve_start(lookup->dns, host, on_address, lookup);
	return lookup->answered;
}

static void
lookup_step(struct pg_lookup *lookup)
{
	bool more = true;

	lookup->stepping = true;
	while (more && !lookup->failed) {
		if (!lookup->answered && !lookup_one(lookup)) {
			lookup->stepping = false;
			return; /* on_address() goes on */
		}
		lookup->rest += strcspn(lookup->rest, ",");
		more = *lookup->rest == ',';
		if (more) {
			lookup->rest++;
			snprintf(lookup->found + strlen(lookup->found),
			         sizeof lookup->found - strlen(lookup->found), ",");
			lookup->answered = false;
		}
	}
	lookup_finish(lookup);
}

struct pg_lookup *
pg_target_lookup(struct pg_target *target, struct evdns_base *dns, pg_target_done *done, void *arg)
{
	struct pg_lookup *lookup = calloc(1, sizeof *lookup);

	if (!lookup)
		abort();
	*lookup = (struct pg_lookup){ .target = target, .dns = dns, .done = done, .arg = arg,
		                      .rest = pg_target_value(target, "host") };
	if (*pg_target_value(target, "hostaddr"))
		lookup->rest = ""; /* said by the user: nothing to look up */
	lookup->stepping = true;
	if (!lookup_one(lookup)) {
		lookup->stepping = false;
		return lookup;
	}
	lookup_step(lookup);
	return NULL;
}

void
pg_lookup_cancel(struct pg_lookup *lookup)
{
	if (!lookup)
		return;
	resolve_cancel(lookup->resolve);
	free(lookup);
}

void
pg_target_params(struct pg_target *target, const char *application, const char *const **ret_keywords,
                 const char *const **ret_values)
{
	int n = 0;

	for (PQconninfoOption *o = target->options; o->keyword && n < PARAMS_MAX - 4; o++) {
		if (!o->val || strcmp(o->keyword, "application_name") == 0
		    || strcmp(o->keyword, "client_encoding") == 0)
			continue;
		target->keywords[n] = o->keyword;
		target->values[n++] = o->val;
	}
	if (target->hostaddr && *target->hostaddr && strspn(target->hostaddr, ",") != strlen(target->hostaddr)
	    && !*pg_target_value(target, "hostaddr")) {
		target->keywords[n] = "hostaddr";
		target->values[n++] = target->hostaddr;
	}
	target->keywords[n] = "application_name";
	target->values[n++] = application;
	target->keywords[n] = "client_encoding";
	target->values[n++] = "UTF8";
	target->keywords[n] = target->values[n] = NULL;
	*ret_keywords = target->keywords;
	*ret_values = target->values;
}
