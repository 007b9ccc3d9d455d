/* SPDX-License-Identifier: MIT */
/* berthd: settings in, loop until told to leave. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "daemon/berthd.h"

static int
refuse(const struct berth_error *e)
{
	fprintf(stderr, "berthd: %s %s\n", berth_error_name(e->code), e->message);
	return berth_error_exit_status(e->code);
}

/* What is asked for instead of running. */
static int
answer(enum config_asked asked)
{
	if (asked == CONFIG_HELP)
		config_help();
	else if (asked == CONFIG_SAMPLE)
		config_sample();
	else if (asked == CONFIG_VERSION)
		puts("berthd " BERTH_VERSION);
	else
		puts("berthd: the settings are good");
	return fflush(stdout) == 0 ? 0 : 1;
}

/* From the start to the end. */
static int
live(struct berthd *berthd)
{
	struct berth_error e;
	int status;

	if (berthd_start(berthd, &e) < 0)
		return refuse(&e);
	status = berthd_run(berthd);
	if (!berthd->handed_over)
		berthd_fini(berthd);
	return status;
}

/* Fenced before it could go on with an earlier life, it says so and is begun anew. */
static int
live_again(struct config *config)
{
	static struct berthd berthd;
	int status;

	do {
		memset(&berthd, 0, sizeof berthd);
		berthd.config = *config;
		status = live(&berthd);
		*config = berthd.config; /* a reload may have changed it */
	} while (berthd.anew);
	return status;
}

int
main(int argc, char **argv)
{
	struct config config;
	enum config_asked asked;
	struct berth_error e;
	int status;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* until the loop takes it as: read the settings again */
	prctl(PR_SET_DUMPABLE, 0); /* passwords are in memory: no core file, no ptrace by the same uid */
	if (config_load(&config, argc, argv, &asked, &e) < 0)
		return refuse(&e);
	status = asked == CONFIG_RUN ? live_again(&config) : answer(asked);
	config_fini(&config);
	return status;
}
