/* SPDX-License-Identifier: MIT */
/* berth info: the daemon's counters and states. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

/* "12" is a number; "012", "1.2.3" and "12 ms" are texts. */
static json_t *
value_json(const char *text)
{
	char *end, back[FIELD_NUMBER_MAX];
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	snprintf(back, sizeof back, "%lld", number);
	return strcmp(back, text) == 0 ? need(json_integer(number)) : text_json(text);
}

/* A line into the object of its section; "# Name" begins one, called name. */
static void
add_line(json_t *all, json_t **section, char *line)
{
	char *colon = strchr(line, ':');

	if (line[0] == '#') {
		for (char *c = line += strspn(line, "# "); *c; c++)
			*c = tolower((unsigned char)*c);
		*section = need(json_object());
		json_object_set_new(all, line, *section);
	} else if (colon) {
		*colon = '\0';
		json_object_set_new(*section, line, value_json(colon + 1));
	}
}

static json_t *
info_json(char *text)
{
	json_t *all = need(json_object()), *section = all;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (line[0]) {
			line[strcspn(line, "\r")] = '\0';
			add_line(all, &section, line);
		}
	return all;
}

static void
print_text(const char *text)
{
	for (; *text; text++)
		if (*text != '\r')
			putchar(*text);
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	char *text;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_info(client, asked->argc ? asked->argv[0] : NULL, &text, &e) < 0) {
		status = complain(client, &e);
	} else {
		if (asked->json)
			json_print(info_json(text));
		else
			print_text(text);
		free(text);
	}
	berth_close(client);
	return status;
}

const struct command command_info = {
	.name = "info",
	.usage = "[SECTION]",
	.summary = "The daemon's counters and states",
	.most = 1,
	.run = run,
};
