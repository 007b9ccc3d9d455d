/* SPDX-License-Identifier: MIT */
/*
 * enum_def: a shared enum type as somebody wants it, and how what there is differs from it.
 * Plain data: no server.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/errors.h"
#include "proto/limits.h"

enum { ENUM_LABELS_MAX = LIMIT_REQUEST_ARGS };

struct enum_def {
	char name[LIMIT_NAME_BYTES + 1];
	int count;
	char labels[ENUM_LABELS_MAX][LIMIT_NAME_BYTES + 1]; /* in order */
};

/* Sets the name, and adds a label; USAGE for what PostgreSQL would refuse: not 1 to 63 bytes, not
 * UTF-8, a NUL, a label twice, more labels than fit. */
int enum_def_name(struct enum_def *def, const char *name, size_t len, struct berth_error *e);
int enum_def_label(struct enum_def *def, const char *label, size_t len, struct berth_error *e);

/* Reads "name = label, label, \"a label, with a comma\"" of berth.conf; quotes double inside quotes. */
int enum_def_read(struct enum_def *def, const char *name, const char *labels, struct berth_error *e);

/* 0 when `there` has the same labels in the same order; else -1 with DRIFT and the difference. */
int enum_def_compare(const struct enum_def *want, const struct enum_def *there, struct berth_error *e);
bool enum_def_has(const struct enum_def *def, const char *label);
