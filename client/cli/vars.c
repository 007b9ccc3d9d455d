/* SPDX-License-Identifier: MIT */
/* A lease as environment variables, each of them a FORMAT. */
#include "client/cli/vars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/complain.h"
#include "client/cli/format.h"

/* What happens to a variable when the lease has nothing for it. */
enum otherwise {
	OTHERWISE_UNSET, /* what was inherited would be about another lease, or lead elsewhere */
	OTHERWISE_LEAVE, /* what was inherited is the user's own */
	OTHERWISE_MIND,  /* so it is, unless it sets a search_path, which would lead out of the lease's schema */
};

/* clang-format off */
static const struct {
	const char *name;
	const char *format; /* NULL: always unset */
	enum otherwise otherwise;
} usual[] = {
	{ "BERTH_LEASE",       "{lease}",     OTHERWISE_UNSET },
	{ "BERTH_FENCE",       "{fence}",     OTHERWISE_UNSET },
	{ "BERTH_STATE",       "{state}",     OTHERWISE_UNSET },
	{ "BERTH_SCHEMA",      "{schema}",    OTHERWISE_UNSET },
	{ "BERTH_RUN",         "{run}",       OTHERWISE_UNSET },
	{ "BERTH_WORKER",      "{worker}",    OTHERWISE_UNSET },
	{ "BERTH_REDIS_DB",    "{redis_db}",  OTHERWISE_UNSET },
	{ "BERTH_REDIS_LEVEL", "{redis}",     OTHERWISE_UNSET },
	{ "DATABASE_URL",      "{dsn}",       OTHERWISE_UNSET },
	{ "REDIS_URL",         "{redis_url}", OTHERWISE_LEAVE },
	{ "PGHOST",            "{host}",      OTHERWISE_UNSET },
	{ "PGPORT",            "{port}",      OTHERWISE_UNSET },
	{ "PGDATABASE",        "{dbname}",    OTHERWISE_UNSET },
	{ "PGUSER",            "{user}",      OTHERWISE_UNSET },
	{ "PGPASSWORD",        "{password}",  OTHERWISE_UNSET },
	{ "PGOPTIONS",         "{options}",   OTHERWISE_MIND },
	/* libpq lets these go over PGHOST and the rest. */
	{ "PGHOSTADDR",        NULL,          OTHERWISE_UNSET },
	{ "PGSERVICE",         NULL,          OTHERWISE_UNSET },
};
/* clang-format on */

enum { USUAL = sizeof usual / sizeof *usual };

static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

int
vars_check(const struct texts *env, struct berth_error *e)
{
	for (size_t i = 0; i < env->count; i++) {
		const char *text = env->items[i];
		size_t name = strspn(text, name_chars);

		if (name == 0 || text[name] != '=' || (*text >= '0' && *text <= '9'))
			return berth_error_set(e, BERTH_USAGE, "--env '%s': NAME=FORMAT is wanted",
			                       text);
		if (format_check(text + name + 1, e) < 0)
			return -1;
	}
	return 0;
}

static struct var *
find(const struct vars *vars, const char *name)
{
	for (size_t i = 0; i < vars->count; i++)
		if (strcmp(vars->items[i].name, name) == 0)
			return &vars->items[i];
	return NULL;
}

/* Takes both texts. */
static void
put(struct vars *vars, char *name, char *value)
{
	struct var *var = find(vars, name);

	if (var) {
		free(name);
		free(var->value);
		var->value = value;
		return;
	}
	vars->items = need(reallocarray(vars->items, vars->count + 1, sizeof *vars->items));
	vars->items[vars->count++] = (struct var){ name, value };
}

static bool
leads_elsewhere(const char *name, enum otherwise otherwise)
{
	const char *inherited = getenv(name);

	return otherwise == OTHERWISE_UNSET
	       || (otherwise == OTHERWISE_MIND && inherited && strcasestr(inherited, "search_path"));
}

static void
put_usual(struct vars *vars, const struct berth_lease *lease, int i)
{
	bool missing = true;
	char *value = usual[i].format ? format_expand(usual[i].format, lease, &missing) : NULL;

	if (missing) {
		free(value);
		value = NULL;
	}
	if (value || leads_elsewhere(usual[i].name, usual[i].otherwise))
		put(vars, need(strdup(usual[i].name)), value);
}

void
vars_init(struct vars *vars, const struct berth_lease *lease, const char *socket,
          const struct texts *env)
{
	*vars = (struct vars){ 0 };
	put(vars, need(strdup("BERTH_SOCKET")), need(strdup(socket)));
	for (int i = 0; i < USUAL; i++)
		put_usual(vars, lease, i);
	for (size_t i = 0; i < env->count; i++) {
		const char *equals = strchr(env->items[i], '=');

		put(vars, need(strndup(env->items[i], equals - env->items[i])),
		    format_expand(equals + 1, lease, NULL));
	}
}

void
vars_fini(struct vars *vars)
{
	for (size_t i = 0; i < vars->count; i++) {
		free(vars->items[i].name);
		free(vars->items[i].value);
	}
	free(vars->items);
}

void
vars_set(const struct vars *vars)
{
	for (size_t i = 0; i < vars->count; i++) {
		const struct var *var = &vars->items[i];

		if (!var->value)
			unsetenv(var->name);
		else if (setenv(var->name, var->value, 1) < 0)
			need(NULL);
	}
}

/* Inside single quotes a shell takes everything as it is, except the quote that ends them. */
void
print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	putchar('\'');
}

void
vars_print_shell(const struct vars *vars)
{
	for (size_t i = 0; i < vars->count; i++) {
		const struct var *var = &vars->items[i];

		if (!var->value) {
			printf("unset %s\n", var->name);
			continue;
		}
		printf("export %s=", var->name);
		print_quoted(var->value);
		putchar('\n');
	}
}
