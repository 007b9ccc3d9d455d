/* SPDX-License-Identifier: MIT */
/*
 * exposition: all that berthd counts, as Prometheus reads it (text format 0.0.4).
 *
 * Names are API. Every family of metrics is a row of the tables in exposition.c or of base/metrics.h.
 */
#pragma once

#include <event2/buffer.h>

struct berthd;

void exposition_write(const struct berthd *berthd, struct evbuffer *out);
