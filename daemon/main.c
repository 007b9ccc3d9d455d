/* SPDX-License-Identifier: MIT */
/* berthd: settings in, loop until told to leave. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "daemon/berthd.h"

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

int
main(int argc, char **argv)
{
	static struct berthd berthd;
	enum config_asked asked;
	struct berth_error e;
	int status;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* a closed terminal is no reason to drop what others hold */
	prctl(PR_SET_DUMPABLE, 0); /* passwords are in memory: no core file, no ptrace by the same uid */
	if (config_load(&berthd.config, argc, argv, &asked, &e) < 0) {
		fprintf(stderr, "berthd: %s %s\n", berth_error_name(e.code), e.message);
		return berth_error_exit_status(e.code);
	}
	if (asked == CONFIG_HELP || asked == CONFIG_VERSION) {
		if (asked == CONFIG_HELP)
			config_help();
		else
			puts("berthd " BERTH_VERSION);
		config_fini(&berthd.config);
		return 0;
	}
	if (asked == CONFIG_CHECK)
		return check(&berthd.config);
	if (berthd_start(&berthd, &e) < 0) {
		fprintf(stderr, "berthd: %s %s\n", berth_error_name(e.code), e.message);
		return berth_error_exit_status(e.code);
	}
	status = berthd_run(&berthd);
	berthd_fini(&berthd);
	return status;
}
