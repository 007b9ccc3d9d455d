/* SPDX-License-Identifier: MIT */
/*
 * guest: a connection that is logged in as somebody else than berthd: as the role of a slot.
 *
 * Whatever touches what is inside of a slot (its tables, whose triggers, checks and index expressions
 * are code of its holder's) is done by a guest and never by berthd's own connections: that code must
 * not run with berthd's rights.
 *
 * guests  owns every guest
 * flow    is borrowed until its done()
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "daemon/pg/flow.h"

struct evdns_base;
struct guest;
struct pg_target;
LIST_HEAD(guest_list, guest);

struct guests {
	struct event_base *base;    /* borrowed, like the next two */
	struct evdns_base *dns;
	struct pg_target *target;   /* the server, and berthd's own login */
	int deadline_ms;            /* of one run of a flow */
	struct guest_list list;
	int count;
};

void guests_init(struct guests *guests, struct event_base *base, struct evdns_base *dns, struct pg_target *target,
                 int deadline_ms);
/* Ends every guest: their flows fail with UNAVAILABLE. */
void guests_fini(struct guests *guests);

/* Begins to connect. `application` is shown in pg_stat_activity; the texts are copied. A NULL password is
 * berthd's own, for a database of which berthd itself is the guest. */
struct guest *guest_new(struct guests *guests, const char *user, const char *password, const char *database,
                        const char *application);
/* Runs it behind what was given before, as soon as there is a connection; done() comes later, in any case. */
void guest_run(struct guest *guest, struct flow *flow);
/* false: the connection broke, or never came to be. Every flow fails with UNAVAILABLE. */
bool guest_alive(const struct guest *guest);
/* Closes. Allowed from inside a done() of its own; no flow of its may be left. Takes NULL. */
void guest_free(struct guest *guest);
