/* SPDX-License-Identifier: MIT */
/* Most settings are looked at when they are needed; what was copied from them is renewed here. */
#include "daemon/reload.h"

#include "daemon/base/log.h"
#include "daemon/base/service.h"
#include "daemon/berthd.h"

static void
spread(struct berthd *berthd)
{
	const struct config *config = &berthd->config;

	log_set_level((enum log_level)log_level_of(config->log_level));
	log_set_priorities(config->log_priorities);
	listener_limit(&berthd->listener, config->max_connections);
	pool_keep(&berthd->pool, config->pool_schemas, config->pool_databases);
	berthd->redis_pool.keep = config->pool_redis;
	redis_pool_demand(&berthd->redis_pool, berthd->redis_pool.demand);
	redis_pool_pump(&berthd->redis_pool);
	enums_changed(&berthd->enums);
}

static void
tell(const struct config_changes *changes)
{
	for (int i = 0; i < changes->count; i++)
		log_info("config.change", LOG_T("key", changes->list[i].key),
		         LOG_T("effect", changes->list[i].taken ? "taken" : "restart"));
	log_info("config.reload", LOG_N("changes", changes->count));
}

int
reload(struct berthd *berthd, struct config_changes *ret, struct berth_error *e)
{
	int result;

	service_reloading();
	result = config_reload(&berthd->config, ret, e);
	if (result < 0) {
		log_error("config.refused", LOG_T("why", e->message));
	} else {
		spread(berthd);
		tell(ret);
	}
	service_ready();
	return result;
}
