-- SPDX-License-Identifier: MIT
-- The runner is alive, and believes these claims to be its own.
-- runner epoch grace (db fence user)…
--   → { 1, { 0, 1 or 2 for each }, { "db fence user" of claims in its name that it did not tell }… }
--   | { 0 } (another epoch; nothing was done)
-- 0: its own. 1: was missing, and is its own again. 2: lost.

local mine, epoch, grace = ARGV[1], ARGV[2], ARGV[3]
local statuses, told, strays = {}, {}, {}

if not current(epoch) then
	return { 0 }
end
alive(mine, grace)

local function status(db, fence, user)
	local runner, held = split(redis.call('HGET', 'berth:claims', db))
	if runner == mine and held == fence then
		return 0
	end
	if tonumber(held or '0') >= tonumber(fence) or ended(db) >= tonumber(fence) then
		return 2
	end
	-- Missing, or an older snapshot's: the higher fence is the truth.
	redis.call('HSET', 'berth:claims', db, mine .. ' ' .. fence .. ' held ' .. user)
	return 1
end

for i = 4, #ARGV, 3 do
	statuses[#statuses + 1] = status(ARGV[i], ARGV[i + 1], ARGV[i + 2])
	told[ARGV[i] .. ' ' .. ARGV[i + 1]] = true
end

local all = redis.call('HGETALL', 'berth:claims')
for i = 1, #all, 2 do
	local runner, fence, state, user = split(all[i + 1])
	if runner == mine and not told[all[i] .. ' ' .. fence] then
		strays[#strays + 1] = all[i] .. ' ' .. fence .. ' ' .. user
	end
end
return { 1, statuses, strays }
