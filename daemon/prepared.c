/* SPDX-License-Identifier: MIT */
/* become → roll back. */
#include "daemon/prepared.h"

#include <stdlib.h>

#include "daemon/base/memory.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/sql.h"

struct prepared {
	struct flow flow;
	struct guest *guest;
	char *role, *gid;
	prepared_done *done;
	void *arg;
};

static void
become(void *ctx, struct sql *sql)
{
	const struct prepared *prepared = ctx;

	sql_add(sql, "SET ROLE %I", prepared->role);
}

static void
roll_back(void *ctx, struct sql *sql)
{
	const struct prepared *prepared = ctx;

	sql_add(sql, "ROLLBACK PREPARED %L", prepared->gid);
}

static const struct flow_step steps[] = {
	{ "become its role", become, .wait = true },
	{ "roll back", roll_back, .wait = true },
	{ 0 },
};

static void
on_done(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct prepared *prepared = ctx;

	guest_free(prepared->guest); /* it is somebody else now */
	prepared->done(prepared->arg, e, sqlstate);
	free(prepared->role);
	free(prepared->gid);
	free(prepared);
}

void
prepared_end(const struct slot_site *site, const char *role, const char *database, const char *gid,
             prepared_done *done, void *arg)
{
	struct prepared *prepared = calloc(1, sizeof *prepared);

	if (!prepared)
		abort();
	*prepared = (struct prepared){ .role = memory_copy(role), .gid = memory_copy(gid), .done = done, .arg = arg };
	prepared->guest = guest_new(site->guests, NULL, NULL, database, "berthd rollback");
	prepared->flow = (struct flow){ .steps = steps, .subject = prepared->role, .ctx = prepared, .done = on_done };
	guest_run(prepared->guest, &prepared->flow);
}
