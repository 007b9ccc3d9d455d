/* SPDX-License-Identifier: MIT */
/* errand: whose answer something is, while it is on its way; the session may be gone by then. */
#pragma once

#include "daemon/session.h"

struct errand;

struct errand *errand_new(struct session *session);
/* Frees it. NULL: the session is gone. */
struct session *errand_end(struct errand *errand);
