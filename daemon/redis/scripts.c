/* SPDX-License-Identifier: MIT */
/* The text of the Lua scripts; scripts.h says what each takes and answers. */
#include "daemon/redis/scripts.h"

#include <assert.h>

/* clang-format off */

#define LUA_SPLIT                                                                                  \
	"local function split(claim)\n"                                                            \
	"  return string.match(claim, '^(%S+) (%d+) (%S+) (%S+)$')\n"                              \
	"end\n"

#define LUA_NOW                                                                                    \
	"local function now()\n"                                                                   \
	"  local t = redis.call('TIME')\n"                                                         \
	"  return tonumber(t[1]) * 1000000 + tonumber(t[2])\n"                                     \
	"end\n"

/* Doubles hold microseconds exactly until the year 2255. */
#define LUA_RISE                                                                                   \
	"local function rise()\n"                                                                  \
	"  local last = tonumber(redis.call('HGET', 'berth:meta', 'fence') or '0')\n"              \
	"  local fence = string.format('%.0f', math.max(last + 1, now()))\n"                       \
	"  redis.call('HSET', 'berth:meta', 'fence', fence)\n"                                     \
	"  return fence\n"                                                                         \
	"end\n"

#define LUA_EPOCH                                                                                  \
	"local function current(epoch)\n"                                                          \
	"  return redis.call('HGET', 'berth:meta', 'epoch') == epoch\n"                            \
	"end\n"                                                                                    \
	"local function alive(runner, grace)\n"                                                    \
	"  redis.call('SET', 'berth:runner:' .. runner, '1', 'PX', grace)\n"                       \
	"end\n"

static const char *const scripts[REDIS_SCRIPTS] = {
	[SCRIPT_HELLO] =
		LUA_NOW
		"local epoch = redis.call('HGET', 'berth:meta', 'epoch')\n"
		"if not epoch or string.match(epoch, '^%S+') ~= ARGV[1] then\n"
		"  epoch = ARGV[1] .. ' ' .. string.format('%.0f', now())\n"
		"  redis.call('HSET', 'berth:meta', 'epoch', epoch)\n"
		"end\n"
		"return epoch\n",

	/*
	 * Round robin from `start`, so that a database is reused as late as possible.
	 * → { 1, db, fence, user } | { 0, leased, foreign, … } | { -1 } (another epoch).
	 * take = 0 only looks (and answers { 1, db }).
	 */
	[SCRIPT_CLAIM] =
		LUA_NOW LUA_RISE LUA_EPOCH
		"local runner, epoch, grace, meta = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])\n"
		"local databases, start, named, take = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]\n"
		"if not current(epoch) then return { -1 } end\n"
		"if take == '1' then alive(runner, grace) end\n"
		"local claimed, answer = {}, { 0, 0 }\n"
		"for _, db in ipairs(redis.call('HKEYS', 'berth:claims')) do\n"
		"  claimed[tonumber(db)] = true\n"
		"  answer[2] = answer[2] + 1\n"
		"end\n"
		"for i = 0, databases - 1 do\n"
		"  local db = (start + i) % databases\n"
		"  if db ~= 0 and db ~= meta and not claimed[db] then\n"
		"    redis.call('SELECT', db)\n"
		"    local keys = redis.call('DBSIZE')\n"
		"    redis.call('SELECT', meta)\n"
		"    if keys == 0 and take ~= '1' then return { 1, db } end\n"
		"    if keys == 0 then\n"
		"      local fence = rise()\n"
		"      local user = '-'\n"
		"      if named == '1' then user = 'berth_' .. runner .. '_' .. db .. '_' .. fence end\n"
		"      redis.call('HSET', 'berth:claims', db, runner .. ' ' .. fence .. ' held ' .. user)\n"
		"      return { 1, db, fence, user }\n"
		"    end\n"
		"    answer[#answer + 1] = db\n"
		"  end\n"
		"end\n"
		"return answer\n",

	[SCRIPT_CHECK] =
		LUA_SPLIT
		"local answer = {}\n"
		"for i = 1, #ARGV, 3 do\n"
		"  local claim = redis.call('HGET', 'berth:claims', ARGV[i + 1])\n"
		"  local runner, fence = split(claim or '')\n"
		"  answer[#answer + 1] = (runner == ARGV[i] and fence == ARGV[i + 2]) and 1 or 0\n"
		"end\n"
		"return answer\n",

	/*
	 * how: `now` flushes and frees in one; `flush` only flushes; `quiet` frees if there was nothing
	 * to flush. A claim that is missing and was not given back went with the registry: still ours.
	 */
	[SCRIPT_RELEASE] =
		LUA_SPLIT
		"local mine, db, fence, meta, how = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]\n"
		"local claim = redis.call('HGET', 'berth:claims', db)\n"
		"if claim then\n"
		"  local runner, held = split(claim)\n"
		"  if runner ~= mine or held ~= fence then return 'stale' end\n"
		"else\n"
		"  local ended = redis.call('HGET', 'berth:meta', 'ended:' .. db)\n"
		"  if tonumber(ended or '0') >= tonumber(fence) then return 'stale' end\n"
		"end\n"
		"redis.call('SELECT', db)\n"
		"local keys = redis.call('DBSIZE')\n"
		"if keys > 0 then redis.call('FLUSHDB', 'ASYNC') end\n"
		"redis.call('SELECT', meta)\n"
		"if how == 'flush' or (how == 'quiet' and keys > 0) then return 'flushed' end\n"
		"redis.call('HDEL', 'berth:claims', db)\n"
		"redis.call('HSET', 'berth:meta', 'ended:' .. db, fence)\n"
		"return 'freed'\n",

	/*
	 * → { 1, [0 | 1 | 2 for each], ["db fence user" of claims in our name that were not named] },
	 * 0: ours, 1: was missing and is ours again, 2: lost; { 0 }: another epoch, nothing was done.
	 * A claim with a lower fence than ours is a leftover of an older snapshot: ours is the truth.
	 */
	[SCRIPT_BEAT] =
		LUA_SPLIT LUA_EPOCH
		"local mine, epoch, grace = ARGV[1], ARGV[2], ARGV[3]\n"
		"if not current(epoch) then return { 0 } end\n"
		"alive(mine, grace)\n"
		"local answer, named = {}, {}\n"
		"for i = 4, #ARGV, 3 do\n"
		"  local db, fence, user = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
		"  local claim = redis.call('HGET', 'berth:claims', db)\n"
		"  local runner, held = split(claim or '')\n"
		"  local ended = tonumber(redis.call('HGET', 'berth:meta', 'ended:' .. db) or '0')\n"
		"  named[db .. ' ' .. fence] = true\n"
		"  if runner == mine and held == fence then\n"
		"    answer[#answer + 1] = 0\n"
		"  elseif tonumber(held or '0') >= tonumber(fence) or ended >= tonumber(fence) then\n"
		"    answer[#answer + 1] = 2\n"
		"  else\n"
		"    redis.call('HSET', 'berth:claims', db, mine .. ' ' .. fence .. ' held ' .. user)\n"
		"    answer[#answer + 1] = 1\n"
		"  end\n"
		"end\n"
		"local strays, all = {}, redis.call('HGETALL', 'berth:claims')\n"
		"for i = 1, #all, 2 do\n"
		"  local runner, fence, state, user = split(all[i + 1])\n"
		"  if runner == mine and not named[all[i] .. ' ' .. fence] then\n"
		"    strays[#strays + 1] = all[i] .. ' ' .. fence .. ' ' .. user\n"
		"  end\n"
		"end\n"
		"return { 1, answer, strays }\n",

	/*
	 * In a new epoch every runner has been silent, if only because the server was away: nobody is
	 * dead before the epoch is older than the grace period.
	 */
	[SCRIPT_REAP] =
		LUA_SPLIT LUA_NOW LUA_RISE LUA_EPOCH
		"local mine, epoch, grace, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\n"
		"local answer = {}\n"
		"if not current(epoch) then return answer end\n"
		"if now() - tonumber(string.match(epoch, '%d+$')) < grace * 1000 then return answer end\n"
		"local all = redis.call('HGETALL', 'berth:claims')\n"
		"for i = 1, #all, 2 do\n"
		"  local db, runner, fence, state, user = all[i], split(all[i + 1])\n"
		"  if #answer >= limit then break end\n"
		"  if runner and runner ~= mine and redis.call('EXISTS', 'berth:runner:' .. runner) == 0 then\n"
		"    fence = rise()\n"
		"    redis.call('HSET', 'berth:claims', db, mine .. ' ' .. fence .. ' ending ' .. user)\n"
		"    answer[#answer + 1] = db .. ' ' .. fence .. ' ' .. user\n"
		"  end\n"
		"end\n"
		"return answer\n",

	[SCRIPT_USERS] =
		LUA_SPLIT
		"local answer = {}\n"
		"for _, claim in ipairs(redis.call('HVALS', 'berth:claims')) do\n"
		"  local runner, fence, state, user = split(claim)\n"
		"  if user and user ~= '-' then answer[#answer + 1] = user end\n"
		"end\n"
		"return answer\n",
};

/* clang-format on */

const char *
redis_script(enum redis_script script)
{
	assert(script >= 0 && script < REDIS_SCRIPTS);
	return scripts[script];
}
