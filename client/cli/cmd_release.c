/* SPDX-License-Identifier: MIT */
/* berth release: a lease is given back, or its state is kept for a look. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"
#include "client/cli/vars.h"

const struct command command_release;

static long long keep_ms;

static const struct cli_option options[] = { { "keep", "TIME", OPTION_DURATION, &keep_ms,
	                                       "keep its state for so long, for a look with psql" },
	                                     { 0 } };

static void
show(const struct invocation *asked, const char *id, const struct berth_lease *kept)
{
	char left[DURATION_TEXT_MAX];

	if (asked->json) {
		json_print(json_pack("{s:o, s:I, s:o}", "lease", text_json(id), "kept_ms",
		                     (json_int_t)keep_ms, "dsn",
		                     kept && kept->dsn ? text_json(kept->dsn) : json_null()));
	} else if (kept && kept->dsn) {
		printf("kept for %s: psql ", duration_show(keep_ms, left));
		print_quoted(kept->dsn);
		putchar('\n');
	}
}

/* To keep something, one must know where it is: that is asked before. */
static int
release(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_lease *kept = NULL;
	struct berth_error e;
	int status = 0;

	if ((keep_ms && berth_lease_get(client, id, 0, &kept, &e) < 0) || berth_release(client, id, keep_ms, &e) < 0)
		status = complain(client, &e);
	else
		show(asked, id, kept);
	berth_lease_free(kept);
	return status;
}

static int
run(const struct invocation *asked)
{
	return session_do(&command_release, asked, release);
}

const struct command command_release = {
	.name = "release",
	.usage = "[--keep TIME] [LEASE]",
	.summary = "Give a lease back, or keep its state for a look",
	.details = "LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE.\n",
	.options = options,
	.most = 1,
	.run = run,
};
