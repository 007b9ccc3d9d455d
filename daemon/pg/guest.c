/* SPDX-License-Identifier: MIT */
/* One connection each, which is not tried again; a queue of flows in front of it. */
#include "daemon/pg/guest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/pg/conn.h"
#include "daemon/pg/target.h"

struct guest {
	struct pg_conn conn;
	struct guests *guests;
	struct pg_target *target;
	char application[64];
	struct flow_list queue;
	struct event *later;  /* the next flow, or the end, in the next turn of the loop */
	bool dead;
	bool leaving;         /* guest_free() was called */
	LIST_ENTRY(guest) link;
};

static void
refuse_all(struct guest *guest)
{
	struct berth_error e;
	struct flow *flow;

	while ((flow = TAILQ_FIRST(&guest->queue))) {
		TAILQ_REMOVE(&guest->queue, flow, link);
		berth_error_set(&e, BERTH_UNAVAILABLE, "%s: PostgreSQL cannot be reached as this role: %s",
		                flow->subject, guest->conn.why);
		flow->done(flow->ctx, &e, "");
	}
}

static void
give(struct guest *guest)
{
	struct flow *flow = TAILQ_FIRST(&guest->queue);

	if (!flow || guest->conn.state != PG_CONN_IDLE || guest->conn.broken)
		return;
	TAILQ_REMOVE(&guest->queue, flow, link);
	flow_start(&guest->conn, flow);
}

static void
close_now(struct guest *guest)
{
	assert(TAILQ_EMPTY(&guest->queue));
	LIST_REMOVE(guest, link);
	guest->guests->count--;
	pg_conn_fini(&guest->conn);
	pg_target_free(guest->target);
	event_free(guest->later);
	free(guest);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct guest *guest = arg;

	if (guest->leaving)
		close_now(guest);
	else if (guest->dead)
		refuse_all(guest);
	else
		give(guest);
}

static void
on_ready(void *arg, struct pg_conn *conn)
{
	give(arg);
}

static void
on_down(void *arg, struct pg_conn *conn)
{
	struct guest *guest = arg;

	guest->dead = true;
	event_active(guest->later, EV_TIMEOUT, 0);
}

static const struct pg_conn_events events = { .up = on_ready, .idle = on_ready, .down = on_down };

struct guest *
guest_new(struct guests *guests, const char *user, const char *password, const char *database,
          const char *application)
{
	struct guest *guest = calloc(1, sizeof *guest);

	if (!guest)
		abort();
	guest->guests = guests;
	guest->target = password ? pg_target_as(guests->target, user, password, database)
	                         : pg_target_in(guests->target, database);
	guest->later = event_new(guests->base, -1, 0, on_later, guest);
	if (!guest->later)
		abort();
	TAILQ_INIT(&guest->queue);
	snprintf(guest->application, sizeof guest->application, "%s", application);
	LIST_INSERT_HEAD(&guests->list, guest, link);
	guests->count++;
	pg_conn_init(&guest->conn, guests->base, guests->dns, guest->target, guest->application,
	             guests->deadline_ms, &events, guest);
	guest->conn.once = true;
	return guest;
}

void
guest_run(struct guest *guest, struct flow *flow)
{
	assert(!guest->leaving);
	TAILQ_INSERT_TAIL(&guest->queue, flow, link);
	event_active(guest->later, EV_TIMEOUT, 0);
}

bool
guest_alive(const struct guest *guest)
{
	return !guest->dead;
}

void
guest_free(struct guest *guest)
{
	if (!guest)
		return;
	guest->leaving = true;
	event_active(guest->later, EV_TIMEOUT, 0);
}

void
guests_init(struct guests *guests, struct event_base *base, struct evdns_base *dns, struct pg_target *target,
            int deadline_ms)
{
	*guests = (struct guests){ .base = base, .dns = dns, .target = target, .deadline_ms = deadline_ms };
}

void
guests_fini(struct guests *guests)
{
	struct guest *guest;

	while ((guest = LIST_FIRST(&guests->list))) {
		struct pg_conn *conn = &guest->conn;

		guest->dead = true;
		if (conn->flow)
			pg_conn_drop(conn, "berthd is leaving"); /* its done() may free the guest, which only marks it */
		refuse_all(guest);
		close_now(guest);
	}
	assert(guests->count == 0);
}
