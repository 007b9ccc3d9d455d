/* SPDX-License-Identifier: MIT */
/* What cannot be asked is left out of the facts, and so are the checks that need it. */
#include "daemon/doctor_look.h"

#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/child.h"
#include "daemon/base/memory.h"
#include "daemon/berthd.h"
#include "daemon/dump.h"
#include "daemon/redis/redis.h"

enum { PG_DUMP_MS = 5000, CHECKPOINTER = 170000 /* has a view of its own from then on */ };

static int64_t
wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

#define KEEP(text, value) snprintf((text), sizeof(text), "%s", (value))

/* ---- PostgreSQL ---- */

static void
ask_server(void *ctx, struct sql *sql)
{
	struct doctor *doctor = ctx;
	const struct config *config = &doctor->berthd->config;

	doctor->facts.asked_us = wall_us();
#define N(name, text) sql_add(sql, "%s%s", sql->len > 6 ? ", " : " ", text);
	sql_add(sql, "SELECT");
	DOCTOR_SERVER(N, N)
#undef N
	sql_add(sql, " FROM pg_roles me, (SELECT %L::name AS enum_schema, %L::name AS database_template, %L::name AS lease_role) a"
	             " WHERE me.rolname = current_user",
	        config->enum_schema, config->database_template, config->lease_role);
}

static int
keep_server(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct doctor_facts *facts = &((struct doctor *)ctx)->facts;
	int i = 0;

	facts->answered_us = wall_us();
	facts->server = PQntuples(result) == 1;
#define N(name, sql) facts->name = flow_cell_int(result, 0, i++);
#define T(name, sql) KEEP(facts->name, flow_cell(result, 0, i++));
	DOCTOR_SERVER(N, T)
#undef N
#undef T
	return 0;
}

static void
ask_checkpoints(void *ctx, struct sql *sql)
{
	const struct doctor *doctor = ctx;
	bool own = pg_facts(&doctor->berthd->pg)->version >= CHECKPOINTER;

	sql_add(sql, "SELECT %s, extract(epoch FROM clock_timestamp() - stats_reset)::int8 FROM %s",
	        own ? "num_requested" : "checkpoints_req", own ? "pg_stat_checkpointer" : "pg_stat_bgwriter");
}

static int
keep_checkpoints(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct doctor_facts *facts = &((struct doctor *)ctx)->facts;

	facts->checkpoints_forced = flow_cell_int(result, 0, 0);
	facts->checkpoints_s = flow_cell_int(result, 0, 1);
	return 0;
}

static void
ask_registry(void *ctx, struct sql *sql)
{
	struct doctor *doctor = ctx;

	if (!doctor->facts.registry)
		return;
#define N(name, text) sql_add(sql, "%s%s", sql->len > 6 ? ", " : " ", text);
	sql_add(sql, "SELECT");
	DOCTOR_REGISTRY(N, N)
#undef N
	sql_add(sql, " FROM (SELECT interval '%d hours' AS template_age) a", doctor->berthd->config.template_age_h);
}

static int
keep_registry(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct doctor_facts *facts = &((struct doctor *)ctx)->facts;
	int i = 0;

#define N(name, sql) facts->name = flow_cell_int(result, 0, i++);
#define T(name, sql) KEEP(facts->name, flow_cell(result, 0, i++));
	DOCTOR_REGISTRY(N, T)
#undef N
#undef T
	return 0;
}

static const struct flow_step steps[] = {
	{ "look at the server", ask_server, keep_server },
	{ "look at checkpoints", ask_checkpoints, keep_checkpoints },
	{ "look at the registry", ask_registry, keep_registry, .wait = true },
	{ 0 },
};

/* ---- pg_dump's version ---- */

static void
look_over(struct doctor *doctor)
{
	event_active(doctor->over, EV_TIMEOUT, 0);
}

/* "pg_dump (PostgreSQL) 15.20 (Debian …)"; a pipe holds all of it. */
static void
on_pg_dump(void *arg, const char *how)
{
	struct doctor *doctor = arg;
	char said[256];
	ssize_t got = read(doctor->pipe, said, sizeof said - 1);

	said[got > 0 ? got : 0] = '\0';
	if (strcmp(how, "exited 0") == 0)
		sscanf(said, "%*s (PostgreSQL) %d", &doctor->facts.pg_dump_version);
	look_over(doctor);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct doctor *doctor = arg;

	child_kill(doctor->child); /* on_pg_dump() hears of it */
}

static void
ask_pg_dump(struct doctor *doctor)
{
	const char *const argv[] = { doctor->facts.pg_dump, "--version", NULL };
	struct child_config config = { .path = argv[0], .argv = argv, .input = "", .directory = "/" };
	struct timeval most = { .tv_sec = PG_DUMP_MS / 1000 };
	int fds[2];

	if (*doctor->facts.pg_dump && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) {
		doctor->pipe = fds[0];
		config.output = fds[1];
		doctor->child = child_new(doctor->berthd->base, &config, on_pg_dump, doctor, NULL);
		close(fds[1]);
	}
	if (doctor->child)
		event_add(doctor->deadline, &most);
	else
		look_over(doctor);
}

/* ---- what berthd knows itself ---- */

static void
look_at_redis(const struct berthd *berthd, struct doctor_facts *facts)
{
	struct berth_error why = { .message = "" };

	facts->redis_wanted = *berthd->config.redis_url;
	facts->redis = facts->redis_wanted && redis_up(berthd->redis, &why);
	KEEP(facts->redis_why, why.message);
	KEEP(facts->redis_version, redis_version(berthd->redis));
	KEEP(facts->redis_default, berthd->config.redis_default);
	facts->redis_acl = redis_acl_allowed(berthd->redis);
	facts->redis_leasable = redis_leasable(berthd->redis);
}

static int
most_workers(const struct berthd *berthd)
{
	int now = berthd->book.held + berthd->book.queue.length;
	int most = now > berthd->book.stats.most_held ? now : berthd->book.stats.most_held;

	return most > berthd->config.pool_schemas ? most : berthd->config.pool_schemas;
}

static void
look_at_settings(const struct berthd *berthd, struct doctor_facts *facts)
{
	const struct config *config = &berthd->config;

	facts->workers = most_workers(berthd);
	facts->builds = config->builds;
	facts->pg_connections = config->pg_connections;
	facts->role_connections = config->role_connections;
	facts->enums = config->enum_count;
	facts->pool_databases = config->pool_databases;
	facts->template_age_h = config->template_age_h;
	facts->templates_mb = config->templates_mb;
	KEEP(facts->enum_schema, config->enum_schema);
	KEEP(facts->database_template, config->database_template);
	KEEP(facts->lease_role, config->lease_role);
	facts->sessions_most = berthd->listener.most;
	facts->sessions_wanted = config->max_connections;
}

static void
look_at_socket(const struct berthd *berthd, struct doctor_facts *facts)
{
	char path[sizeof berthd->listener.path];
	struct stat st;

	KEEP(facts->socket, berthd->listener.path);
	KEEP(facts->group, berthd->config.socket_group);
	facts->group_there = !*facts->group || getgrnam(facts->group);
	if (stat(facts->socket, &st) == 0)
		facts->socket_mode = st.st_mode;
	KEEP(path, facts->socket);
	if (stat(dirname(path), &st) == 0)
		facts->dir_mode = st.st_mode;
}

/* ---- the look ---- */

static void
on_server(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct doctor *doctor = ctx;
	char *program;

	if (doctor->closing)
		return;
	if (e) {
		doctor->facts.server = false;
		KEEP(doctor->facts.server_why, e->message);
		look_over(doctor);
		return;
	}
	program = dump_find(doctor->berthd->config.pg_dump, doctor->facts.server_version);
	KEEP(doctor->facts.pg_dump, program ? program : "");
	free(program);
	ask_pg_dump(doctor);
}

static void
look(struct doctor *doctor)
{
	struct berthd *berthd = doctor->berthd;
	struct doctor_facts *facts = &doctor->facts;
	struct berth_error why = { .message = "" };

	*facts = (struct doctor_facts){ 0 };
	look_at_settings(berthd, facts);
	look_at_redis(berthd, facts);
	look_at_socket(berthd, facts);
	facts->registry = registry_ready(&berthd->registry, &why);
	KEEP(facts->registry_why, why.message);
	if (!pg_up(&berthd->pg, &why)) {
		KEEP(facts->server_why, why.message);
		look_over(doctor);
		return;
	}
	facts->server_version = pg_facts(&berthd->pg)->version;
	doctor->flow = (struct flow){ .steps = steps, .subject = "doctor", .ctx = doctor, .done = on_server };
	pg_run(&berthd->pg, &doctor->flow);
}

static void
forget_child(struct doctor *doctor)
{
	event_del(doctor->deadline);
	child_free(doctor->child);
	doctor->child = NULL;
	if (doctor->pipe >= 0)
		close(doctor->pipe);
	doctor->pipe = -1;
}

static void
on_over(evutil_socket_t fd, short what, void *arg)
{
	struct doctor *doctor = arg;
	uint64_t *asking = doctor->asking;
	int count = doctor->count;

	forget_child(doctor);
	doctor->asking = NULL;
	doctor->count = 0;
	for (int i = 0; i < count; i++)
		doctor->tell(doctor, asking[i]);
	free(asking);
}

void
doctor_ask(struct doctor *doctor, uint64_t session)
{
	doctor->asking = memory_more(doctor->asking, doctor->count, sizeof *doctor->asking);
	doctor->asking[doctor->count++] = session;
	if (doctor->count == 1)
		look(doctor);
}

void
doctor_init(struct doctor *doctor, struct berthd *berthd, void (*tell)(struct doctor *doctor, uint64_t session))
{
	*doctor = (struct doctor){ .berthd = berthd, .pipe = -1, .tell = tell };
	doctor->deadline = event_new(berthd->base, -1, 0, on_deadline, doctor);
	doctor->over = event_new(berthd->base, -1, 0, on_over, doctor);
	if (!doctor->deadline || !doctor->over)
		abort();
}

void
doctor_fini(struct doctor *doctor)
{
	doctor->closing = true;
	forget_child(doctor);
	event_free(doctor->deadline);
	event_free(doctor->over);
	free(doctor->asking);
	doctor->asking = NULL;
}
