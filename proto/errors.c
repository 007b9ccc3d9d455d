/* SPDX-License-Identifier: MIT */
/* The error table of errors.h, looked up by code and by word. */
#include "proto/errors.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int exit_status;
	bool retry;
	const char *meaning;
} errors[BERTH_ERROR_CODES] = {
	[BERTH_OK] = { "OK", 0, false, "done" },
#define X(code, exit_status, retry, meaning) [BERTH_##code] = { #code, exit_status, retry, meaning },
	BERTH_ERRORS(X)
#undef X
};

int
berth_error_vset(struct berth_error *e, enum berth_error_code code, const char *fmt, va_list ap)
{
	assert(code > BERTH_OK && code < BERTH_ERROR_CODES);
	if (e) {
		e->code = code;
		vsnprintf(e->message, sizeof e->message, fmt, ap);
	}
	return -1;
}

int
berth_error_set(struct berth_error *e, enum berth_error_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	berth_error_vset(e, code, fmt, ap);
	va_end(ap);
	return -1;
}

const char *
berth_error_name(enum berth_error_code code)
{
	assert(code < BERTH_ERROR_CODES);
	return errors[code].name;
}

enum berth_error_code
berth_error_code(const char *word, unsigned long len)
{
	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		if (strlen(errors[code].name) == len && memcmp(errors[code].name, word, len) == 0)
			return code;
	return BERTH_ERR;
}

int
berth_error_exit_status(enum berth_error_code code)
{
	assert(code < BERTH_ERROR_CODES);
	return errors[code].exit_status;
}

bool
berth_error_retry(enum berth_error_code code)
{
	assert(code < BERTH_ERROR_CODES);
	return errors[code].retry;
}

const char *
berth_error_meaning(enum berth_error_code code)
{
	assert(code < BERTH_ERROR_CODES);
	return errors[code].meaning;
}
