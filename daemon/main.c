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

static int
check(struct config *config)
{
	struct berth_error e = { .code = BERTH_OK };

	if (berthd_check(config, &e) < 0)
		fprintf(stderr, "berthd: %s %s\n", berth_error_name(e.code), e.message);
	else
		puts("berthd: the settings are good");
	config_fini(config);
	return berth_error_exit_status(e.code);
}

/* From the settings to the end; fenced before it could go on with an earlier life, it says so and is begun anew. */
static int
live(struct berthd *berthd, int argc, char **argv)
{
	enum config_asked asked;
	struct berth_error e;
	int status;

	if (config_load(&berthd->config, argc, argv, &asked, &e) < 0)
		return refuse(&e);
	if (asked == CONFIG_HELP || asked == CONFIG_VERSION) {
		if (asked == CONFIG_HELP)
			config_help();
		else
			puts("berthd " BERTH_VERSION);
		config_fini(&berthd->config);
		return 0;
	}
	if (asked == CONFIG_CHECK)
		return check(&berthd->config);
	if (berthd_start(berthd, &e) < 0)
		return refuse(&e);
	status = berthd_run(berthd);
	if (!berthd->handed_over)
		berthd_fini(berthd);
	return status;
}

int
main(int argc, char **argv)
{
	static struct berthd berthd;
	int status;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* a closed terminal is no reason to drop what others hold */
	prctl(PR_SET_DUMPABLE, 0); /* passwords are in memory: no core file, no ptrace by the same uid */
	do {
		memset(&berthd, 0, sizeof berthd);
		status = live(&berthd, argc, argv);
	} while (berthd.anew);
	return status;
}
