/* SPDX-License-Identifier: MIT */
/* status: what the status page shows, as JSON: who holds what, pools, waits, slowest resets. No secret is in it. */
#pragma once

#include <event2/buffer.h>

struct berthd;

enum { STATUS_LEASES = 500 /* more are not listed */ };

void status_write(const struct berthd *berthd, struct evbuffer *out);
