/* SPDX-License-Identifier: MIT */
/* Running what migrates, then TEMPLATE SEAL or TEMPLATE ABORT. */
#include "client/cli/build.h"

#include <stdio.h>

#include "client/cli/amount.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/failure.h"
#include "client/cli/holder.h"
#include "client/cli/session.h"
#include "client/cli/tap.h"

enum { REPORT_TEXT = 256 };

void
build_describe(const struct berth_seal_report *report, char *text, size_t size)
{
	char tables[AMOUNT_TEXT_MAX], rows[AMOUNT_TEXT_MAX], bytes[AMOUNT_TEXT_MAX];
	char spent[DURATION_TEXT_MAX];

	snprintf(text, size, "%s, %s, %s in %s", amount_of(report->tables, "table", tables),
	         amount_of(report->rows, "row", rows), amount_bytes(report->bytes, bytes),
	         duration_show_us(report->us, spent));
}

/* Should this fail, the lease's end gives it up too. */
static void
give_up(const struct build *b, const char *message)
{
	if (berth_connected(b->client))
		berth_template_abort(b->client, b->lease->lease, message, NULL);
}

static int
failed(const struct build *b, const struct holding *holding, int status)
{
	char failure[BERTH_ERROR_MESSAGE_MAX];

	if (holding->interrupted) {
		give_up(b, NULL);
		notice("building the template %s was interrupted: the next one may build it",
		       b->lease->template_key);
		return status;
	}
	failure_text(b->argc - b->unsaid, b->argv + b->unsaid, holding->tap, status, failure);
	give_up(b, failure);
	notice("the template %s was not built: %s", b->lease->template_key, failure);
	return status;
}

/* What cannot be sealed now is told to the others, unless it may go better with the next. */
static int
seal(const struct build *b)
{
	struct berth_seal_report report;
	struct berth_error e;
	char text[REPORT_TEXT];

	if (berth_template_seal(b->client, b->lease->lease, &report, &e) < 0) {
		give_up(b, berth_error_retry(e.code) ? NULL : e.message);
		return complain(b->client, &e);
	}
	build_describe(&report, text, sizeof text);
	notice("the template %s is sealed: %s", b->lease->template_key, text);
	return 0;
}

int
build(const struct build *b)
{
	struct tap tap = { 0 };
	struct holding holding = {
		.client = b->client,
		.at_stake = "what the command makes may be lost",
		.tap = &tap,
	};
	int status;

	notice("building the template %s", b->lease->template_key);
	session_environment(b->client, b->lease, b->env);
	status = holder_run_as(b->argc, b->argv, &holding);
	if (status)
		return failed(b, &holding, status);
	holder_be_mortal();
	return seal(b);
}
