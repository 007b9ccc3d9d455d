/* SPDX-License-Identifier: MIT */
/* The private PostgreSQL: its settings, its start, and how to see that it is ready. */
#include <fcntl.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/run/datadir.h"
#include "client/cli/run/servers.h"
#include "client/cli/run/tree.h"

/*
 * Fit for tests, understood by PostgreSQL 13 to 18. The data is worth nothing after the run, so no
 * write waits for a disk. Many schemas built and dropped at once need a large lock table, and leave
 * garbage in the catalogs, hence the short nap of autovacuum. `mmap` keeps dynamic shared memory in
 * the data directory, so that it goes with it (and a small /dev/shm does not matter).
 */
/* clang-format off */
static const char settings[] =
	"fsync = off\n"
	"full_page_writes = off\n"
	"synchronous_commit = off\n"
	"wal_level = minimal\n"
	"max_wal_senders = 0\n"
	"max_logical_replication_workers = 0\n"
	"max_wal_size = 256MB\n"
	"min_wal_size = 8MB\n"
	"shared_buffers = 64MB\n"
	"huge_pages = off\n"
	"dynamic_shared_memory_type = mmap\n"
	"max_connections = 300\n"
	"max_locks_per_transaction = 512\n"
	"max_prepared_transactions = 64\n"
	"autovacuum_naptime = 5s\n"
	"jit = off\n"
	"password_encryption = scram-sha-256\n"
	"update_process_title = off\n"
	"log_checkpoints = off\n"
	"log_line_prefix = '%m [%p] %q%u@%d '\n"
	"log_timezone = 'UTC'\n"
	"timezone = 'UTC'\n"
	"datestyle = 'iso, mdy'\n"
	"lc_messages = 'C'\n"
	"default_text_search_config = 'pg_catalog.english'\n";
/* clang-format on */

static int
write_settings(struct servers *servers, int data, struct berth_error *e)
{
	char text[4096];
	int len = snprintf(text, sizeof text,
	                   "# Written by `berth run` at each start.\n%s"
	                   "unix_socket_directories = '%s/pg'\nunix_socket_permissions = 0700\n"
	                   "listen_addresses = '%s'\nport = %d\n",
	                   settings, servers->dir->path, servers->tcp ? "127.0.0.1" : "",
	                   servers->pg_port);

	if (len >= (int)sizeof text)
		return berth_error_set(e, BERTH_UNAVAILABLE, "PostgreSQL's settings do not fit");
	return tree_write(data, "postgresql.conf", text, &servers->user, e);
}

static int
open_data(const struct servers *servers)
{
	return openat(servers->dir->fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int
settings_renew(struct servers *servers, struct berth_error *e)
{
	int data, result;

	servers->pg_port = servers->tcp ? servers_free_port() : 5432;
	data = open_data(servers);
	if (data < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "the data directory is gone");
	result = write_settings(servers, data, e);
	close(data);
	return result;
}

static int
postgres_start(struct servers *servers, struct child *child, int log, struct berth_error *e)
{
	char path[PATH_MAX];
	const char *const argv[] = { servers->programs->postgres, "-D", path, NULL };
	const struct server_spec spec = {
		.argv = argv,
		.env = servers->env.vars,
		.user = &servers->user,
		.directory = servers->dir->path,
		.input = -1,
		.log = log,
		.death_signal = SIGQUIT,
	};

	snprintf(path, sizeof path, "%s/data", servers->dir->path);
	return settings_renew(servers, e) < 0 ? -1 : child_start_server(child, &spec, e);
}

/* postmaster.pid: the process in its first line, "ready" in the eighth. Costs no connection. */
static bool
postgres_is_ready(struct servers *servers)
{
	char text[1024];
	int data = open_data(servers);
	bool there = data >= 0 && tree_read(data, "postmaster.pid", text, sizeof text) == 0;

	if (data >= 0)
		close(data);
	return there && atoi(text) == servers->server[SERVER_POSTGRES].child.pid
	       && strstr(text, "\nready");
}

static int
password_set(PGconn *conn, const char *password)
{
	char *verifier = PQencryptPasswordConn(conn, password, "postgres", "scram-sha-256");
	char sql[512];
	PGresult *result;
	int ok;

	snprintf(sql, sizeof sql, "ALTER ROLE postgres PASSWORD '%s'", verifier ? verifier : "");
	PQfreemem(verifier);
	result = PQexec(conn, sql);
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return ok ? 0 : -1;
}

/* With --tcp the superuser gets its password now; until then nobody comes in by loopback. */
static int
postgres_settle(struct servers *servers, struct berth_error *e)
{
	char port[16], host[RUNDIR_PATH_MAX + 8];
	const char *const keys[] = { "host", "port", "user", "dbname", "connect_timeout", NULL };
	const char *const values[] = { host, port, "postgres", "postgres", "10", NULL };
	PGconn *conn;
	int result = 0;

	if (!servers->tcp)
		return 0;
	snprintf(host, sizeof host, "%s/pg", servers->dir->path);
	snprintf(port, sizeof port, "%d", servers->pg_port);
	conn = PQconnectdbParams(keys, values, 0);
	if (PQstatus(conn) != CONNECTION_OK || password_set(conn, servers->pg_password) < 0)
		result = berth_error_set(e, BERTH_UNAVAILABLE, "PostgreSQL: %.300s",
		                         PQerrorMessage(conn));
	PQfinish(conn);
	return result;
}

/* It did not start: a port that somebody took meanwhile, or a cached directory that is broken. */
static bool
postgres_mend(struct servers *servers, const char *log_tail)
{
	struct berth_error e;

	if (servers->tcp && strstr(log_tail, "could not create any TCP/IP sockets"))
		return true;
	return servers->cached && datadir_remake(servers, &e) == 0;
}

const struct server_kind postgres_kind = {
	.name = "PostgreSQL",
	.log = "postgres.log",
	.stop_signal = SIGQUIT, /* immediate: no checkpoint, yet nothing stays in memory */
	.stop_kept = SIGINT,
	.start = postgres_start,
	.is_ready = postgres_is_ready,
	.settle = postgres_settle,
	.mend = postgres_mend,
};
