-- SPDX-License-Identifier: MIT
-- Flushes a database and gives its claim back, if it is the caller's.
-- how: `now` both; `flush` only flushes; `quiet` gives back if there was nothing to flush.
-- runner db fence meta how → freed | flushed | stale

local mine, db, fence, meta, how = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local claim = redis.call('HGET', 'berth:claims', db)
local runner, held = split(claim)

if claim and (runner ~= mine or held ~= fence) then
	return 'stale'
end
-- Missing: given back before, or lost with the registry, and then it is still the caller's.
if not claim and ended(db) >= tonumber(fence) then
	return 'stale'
end

redis.call('SELECT', db)
local keys = redis.call('DBSIZE')
if keys > 0 then
	redis.call('FLUSHDB', 'ASYNC')
end
redis.call('SELECT', meta)

if how == 'flush' or (how == 'quiet' and keys > 0) then
	return 'flushed'
end
redis.call('HDEL', 'berth:claims', db)
redis.call('HSET', 'berth:meta', 'ended:' .. db, fence)
return 'freed'
