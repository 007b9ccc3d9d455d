/* SPDX-License-Identifier: MIT */
/* Showing another command line, so that ending `berth run` by its name spares the keeper. */
#include "client/cli/run/title.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

void
title_set(int argc, char **argv, const char *title)
{
	char *begin = program_invocation_name, *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	size_t len = strlen(title);

	prctl(PR_SET_NAME, title);
	if (begin > argv[0] || end - begin < 2 || end - begin > 1 << 20)
		return; /* somebody moved it; the name alone must do */
	memset(begin, 0, (size_t)(end - begin));
	memcpy(begin, title, len < (size_t)(end - begin) - 1 ? len : (size_t)(end - begin) - 1);
}
