/* SPDX-License-Identifier: MIT */
/* Parsing the options of `berth run`, and its usage text. */
#include "client/cli/run/options.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
	"usage: berth run [--pg-bindir D] [--tcp] [--keep] [--verbose] [--] CMD...\n"
	"\n"
	"Starts a private PostgreSQL, Redis and berthd, runs CMD with BERTH_SOCKET set, and leaves\n"
	"nothing behind. A daemon that answers at BERTH_SOCKET already is used instead.\n"
	"\n"
	"  --pg-bindir D   directory of initdb and postgres (default: PATH, the usual places)\n"
	"  --tcp           leases lead to 127.0.0.1 instead of to Unix sockets\n"
	"  --keep          leave the directory with data and logs, and say where it is\n"
	"  --verbose       say how long each stage took\n"
	"\n"
	"BERTHD names another berthd program. The exit status is CMD's; 2 wrong usage; 69 the\n"
	"servers cannot be started; 126 and 127 CMD cannot be started, as in a shell.\n";

enum { OPT_PG_BINDIR = 'p', OPT_TCP = 't', OPT_KEEP = 'k', OPT_VERBOSE = 'v', OPT_HELP = 'h' };

/* clang-format off */
static const struct option long_options[] = {
	{ "pg-bindir", required_argument, NULL, OPT_PG_BINDIR },
	{ "tcp",       no_argument,       NULL, OPT_TCP },
	{ "keep",      no_argument,       NULL, OPT_KEEP },
	{ "verbose",   no_argument,       NULL, OPT_VERBOSE },
	{ "help",      no_argument,       NULL, OPT_HELP },
	{ 0 },
};
/* clang-format on */

static int
stop(FILE *out, int status, int *ret_status)
{
	fputs(usage, out);
	*ret_status = status;
	return -1;
}

int
options_parse(struct options *options, int argc, char **argv, int *ret_status)
{
	int opt;

	*options = (struct options){ 0 };
	optind = 0; /* the command line's own options were parsed before */
	while ((opt = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		switch (opt) {
		case OPT_PG_BINDIR: options->pg_bindir = optarg; break;
		case OPT_TCP: options->tcp = true; break;
		case OPT_KEEP: options->keep = true; break;
		case OPT_VERBOSE: options->verbose = true; break;
		case OPT_HELP: return stop(stdout, 0, ret_status);
		default: return stop(stderr, 2, ret_status);
		}
	}
	if (optind == argc) {
		fputs("berth run: which command?\n", stderr);
		return stop(stderr, 2, ret_status);
	}
	options->command = argv + optind;
	return 0;
}
