/* SPDX-License-Identifier: MIT */
/* An image as rows of berth.template_part, and back. */
#pragma once

#include <libpq-fe.h>

#include "daemon/image.h"

/* One INSERT. */
void image_store(const struct image *image, const char *key, const char *kind, struct sql *sql);
void image_ask(const char *key, const char *kind, struct sql *sql);
/* The answer to image_ask(). `schema` is the name that the texts carry. Returns a reference; NULL when the
 * rows are not whole. */
struct image *image_load(const PGresult *result, const char *schema);
