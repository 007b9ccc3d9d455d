/* SPDX-License-Identifier: MIT */
/* The fields of a lease and of a row of `berth ls`, as tables: for JSON, for tables, for FORMATs.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "client/lib/berth.h"

enum field_kind { KIND_TEXT, KIND_INT, KIND_LONG, KIND_STATE };

struct cli_field {
	const char *name; /* as on the wire */
	size_t offset;
	enum field_kind kind;
	bool in_formats; /* {name} may stand in a FORMAT */
};

/* Both end with a row without a name. */
extern const struct cli_field lease_fields[]; /* of struct berth_lease */
extern const struct cli_field row_fields[];   /* of struct berth_lease_row */

enum { FIELD_NUMBER_MAX = 24 };
/* A field as text; NULL when there is nothing to say. Borrows from the struct, or is buf. */
const char *field_text(const struct cli_field *field, const void *of, char buf[FIELD_NUMBER_MAX]);
/* All fields as a JSON object, which the caller owns. */
json_t *fields_json(const struct cli_field *fields, const void *of);
/* A JSON string; text that is not UTF-8 loses what is not ASCII. */
json_t *text_json(const char *text);
/* Prints a JSON value and a newline, and drops the reference. */
void json_print(json_t *value);
