/* SPDX-License-Identifier: MIT */
/* CMD, its status, where, and what it said last. */
#include "client/cli/failure.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_TEXT = 80, HOST_TEXT = 65 };

static void
append(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

void
failure_text(int argc, char **command, const struct tap *tap, int status,
             char text[BERTH_ERROR_MESSAGE_MAX])
{
	char shown[COMMAND_TEXT + 1] = "", host[HOST_TEXT] = "", words[TAP_WORDS_MAX + 1];

	for (int i = 0; i < argc; i++) {
		append(shown, sizeof shown, i ? " " : "");
		append(shown, sizeof shown, command[i]);
	}
	if (strlen(shown) == COMMAND_TEXT)
		strcpy(shown + COMMAND_TEXT - 3, "...");
	gethostname(host, sizeof host - 1);
	tap_words(tap, words);
	snprintf(text, BERTH_ERROR_MESSAGE_MAX, "'%s' exited with status %d on %s%s%s", shown,
	         status, host, *words ? ": " : "", words);
	text_tidy(text);
}
