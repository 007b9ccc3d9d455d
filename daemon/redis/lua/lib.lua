-- SPDX-License-Identifier: MIT
-- What the other scripts have in common; it is put in front of each of them.

-- A claim, "runner fence state user"; four nils for what is none.
local function split(claim)
	return string.match(claim or '', '^(%S+) (%d+) (%S+) (%S+)$')
end

-- Microseconds by the server's clock. Doubles hold them exactly until the year 2255.
local function now()
	local t = redis.call('TIME')
	return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- A fence above every other, even when the last one was lost with the registry.
local function rise()
	local last = tonumber(redis.call('HGET', 'berth:meta', 'fence') or '0')
	local fence = string.format('%.0f', math.max(last + 1, now()))
	redis.call('HSET', 'berth:meta', 'fence', fence)
	return fence
end

-- Whether the registry is still the one that the runner knows.
local function current(epoch)
	return redis.call('HGET', 'berth:meta', 'epoch') == epoch
end

-- The last fence of a database that was given back.
local function ended(db)
	return tonumber(redis.call('HGET', 'berth:meta', 'ended:' .. db) or '0')
end

-- Says that the runner lives, and since when it has been saying so without a gap: "since last". A gap
-- may mean that nobody could say anything (the server was frozen); see reap.lua.
local function alive(runner, grace)
	local key, time = 'berth:runner:' .. runner, now()
	local since, last = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
	if not since or time - tonumber(last) > grace * 500 then
		since = string.format('%.0f', time)
	end
	redis.call('SET', key, since .. string.format(' %.0f', time), 'PX', grace)
end
