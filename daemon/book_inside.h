/* SPDX-License-Identifier: MIT */
/* book_inside: what the files of the book share among themselves. */
#pragma once

#include "daemon/book.h"

/* Its timer rings at its deadline, as that is now. */
void book_set_timer(struct lease *lease);
/* Whoever waits for news of it is answered. */
void book_wake(struct lease *lease);
/* WAITING → next: what it waits for does not wait with it. */
void book_leave_waiting(struct lease *lease, enum lease_state next);
/* It cannot be granted; its holder shall hear why. */
void book_fail(struct lease *lease, const struct berth_error *e);
/* What is being made for it alone has nobody to go to any more. */
void book_abandon_errand(struct lease *lease);
/* Tells the pools how much is waited for. */
void book_measure_demand(struct book *book);
