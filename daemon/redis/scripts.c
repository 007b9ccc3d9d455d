/* SPDX-License-Identifier: MIT */
/* The text of the Lua scripts, which the build makes of the files in lua/. */
#include "daemon/redis/scripts.h"

#include <assert.h>

#include "daemon/redis/scripts_lua.h"

static const char *const scripts[REDIS_SCRIPTS] = {
	[SCRIPT_BEAT] = LUA_LIB LUA_BEAT,   [SCRIPT_CHECK] = LUA_LIB LUA_CHECK,
	[SCRIPT_CLAIM] = LUA_LIB LUA_CLAIM, [SCRIPT_HELLO] = LUA_LIB LUA_HELLO,
	[SCRIPT_ORPHANS] = LUA_LIB LUA_ORPHANS,
	[SCRIPT_REAP] = LUA_LIB LUA_REAP,   [SCRIPT_RELEASE] = LUA_LIB LUA_RELEASE,
	[SCRIPT_USERS] = LUA_LIB LUA_USERS,
};

const char *
redis_script(enum redis_script script)
{
	assert(script >= 0 && script < REDIS_SCRIPTS);
	return scripts[script];
}
