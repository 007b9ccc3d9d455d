/* SPDX-License-Identifier: MIT */
/* One lease for a person, for a program, for a shell. */
#include "client/cli/show.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"

enum { NAME_WIDTH = 14 };

/* Whether --env named this variable. */
static bool
is_asked(const struct var *var, const struct texts *env)
{
	size_t len = strlen(var->name);

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], var->name, len) == 0 && env->items[i][len] == '=')
			return true;
	return false;
}

static void
show_table(const struct berth_lease *lease, const struct vars *vars, const struct texts *env)
{
	char number[FIELD_NUMBER_MAX], left[DURATION_TEXT_MAX];

	for (const struct cli_field *f = lease_fields; f->name; f++) {
		const char *text = field_text(f, lease, number);

		if (strcmp(f->name, "expires_ms") == 0)
			printf("%-*s  %s\n", NAME_WIDTH, "expires",
			       duration_show(lease->expires_ms, left));
		else if (text && strcmp(f->name, "position") != 0)
			printf("%-*s  %s\n", NAME_WIDTH, f->name, text);
	}
	for (size_t i = 0; i < vars->count; i++)
		if (is_asked(&vars->items[i], env))
			printf("%-*s  %s\n", NAME_WIDTH, vars->items[i].name, vars->items[i].value);
}

static void
show_json(const struct berth_lease *lease, const struct vars *vars, const struct texts *env)
{
	json_t *object = fields_json(lease_fields, lease);
	json_t *asked = need(json_object());

	for (size_t i = 0; i < vars->count; i++)
		if (is_asked(&vars->items[i], env))
			json_object_set_new(asked, vars->items[i].name,
			                    text_json(vars->items[i].value));
	if (env->count > 0)
		json_object_set(object, "env", asked);
	json_decref(asked);
	json_print(object);
}

void
show_lease(enum show how, const struct berth_lease *lease, const char *socket,
           const struct texts *env)
{
	struct vars vars;

	vars_init(&vars, lease, socket, env);
	if (how == SHOW_SHELL)
		vars_print_shell(&vars);
	else if (how == SHOW_JSON)
		show_json(lease, &vars, env);
	else
		show_table(lease, &vars, env);
	vars_fini(&vars);
}
