/* SPDX-License-Identifier: MIT */
/* Hands queued flows to idle connections. */
#include "daemon/pg/pg.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/pg/target.h"

static void
give(struct pg *pg, struct pg_conn *conn)
{
	struct flow *flow = TAILQ_FIRST(&pg->queue);

	if (!flow || conn->state != PG_CONN_IDLE || conn->broken)
		return;
	TAILQ_REMOVE(&pg->queue, flow, link);
	pg->queued--;
	flow_start(conn, flow);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct pg *pg = arg;

	for (int i = 0; i < pg->connections; i++)
		give(pg, &pg->conns[i]);
}

static void
on_idle(void *arg, struct pg_conn *conn)
{
	give(arg, conn);
}

static int
count_up(const struct pg *pg)
{
	int up = 0;

	for (int i = 0; i < pg->connections; i++)
		up += pg_conn_up(&pg->conns[i]);
	return up;
}

static void
on_up(void *arg, struct pg_conn *conn)
{
	struct pg *pg = arg;

	if (count_up(pg) == 1)
		pg->events->up(pg->arg);
	give(pg, conn);
}

static void
on_down(void *arg, struct pg_conn *conn)
{
	struct pg *pg = arg;

	if (count_up(pg) == 0)
		pg->events->down(pg->arg);
}

static const struct pg_conn_events conn_events = { .up = on_up, .idle = on_idle, .down = on_down };

void
pg_init(struct pg *pg, struct event_base *base, struct evdns_base *dns, const struct pg_config *config,
        const struct pg_events *events, void *arg)
{
	assert(config->connections >= 1 && config->connections <= PG_CONNECTIONS_MAX);
	pg->connections = config->connections;
	pg->events = events;
	pg->arg = arg;
	pg->queued = 0;
	TAILQ_INIT(&pg->queue);
	pg->later = event_new(base, -1, 0, on_later, pg);
	if (!pg->later)
		abort();
	for (int i = 0; i < pg->connections; i++) {
		snprintf(pg->names[i], sizeof pg->names[i], "berthd %s worker %d", config->runner, i + 1);
		pg_conn_init(&pg->conns[i], base, dns, config->target, pg->names[i], config->deadline_ms,
		             &conn_events, pg);
	}
}

static void
refuse_all(struct pg *pg)
{
	struct berth_error e;
	struct flow *flow;

	berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
	while ((flow = TAILQ_FIRST(&pg->queue))) {
		TAILQ_REMOVE(&pg->queue, flow, link);
		pg->queued--;
		flow->done(flow->ctx, &e, "");
	}
}

void
pg_fini(struct pg *pg)
{
	for (int i = 0; i < pg->connections; i++)
		pg_conn_fini(&pg->conns[i]);
	refuse_all(pg);
	event_free(pg->later);
	assert(pg->queued == 0);
}

void
pg_run(struct pg *pg, struct flow *flow)
{
	TAILQ_INSERT_TAIL(&pg->queue, flow, link);
	pg->queued++;
	event_active(pg->later, EV_TIMEOUT, 0);
}

void
pg_run_first(struct pg *pg, struct flow *flow)
{
	TAILQ_INSERT_HEAD(&pg->queue, flow, link);
	pg->queued++;
	event_active(pg->later, EV_TIMEOUT, 0);
}

bool
pg_up(const struct pg *pg, struct berth_error *why)
{
	if (count_up(pg) > 0)
		return true;
	berth_error_set(why, BERTH_UNAVAILABLE, "PostgreSQL at %s port %s cannot be used now: %s",
	                *pg_target_value(pg->conns[0].target, "host") ? pg_target_value(pg->conns[0].target, "host")
	                                                              : "the default socket",
	                pg_target_value(pg->conns[0].target, "port"), pg->conns[0].why);
	return false;
}

const struct pg_facts *
pg_facts(const struct pg *pg)
{
	for (int i = 0; i < pg->connections; i++)
		if (pg->conns[i].facts.version)
			return &pg->conns[i].facts;
	return NULL;
}
