-- SPDX-License-Identifier: MIT
-- Claims of runners that show no sign of life, and databases with keys that nobody claims.
-- meta → { "db runner fence keys age_ms", … }; runner `-`: nobody's. Changes nothing.

local meta = ARGV[1]
local keys, claimed, answer = {}, {}, {}

for db, count in string.gmatch(redis.call('INFO', 'keyspace'), 'db(%d+):keys=(%d+)') do
	keys[db] = count
end

local all = redis.call('HGETALL', 'berth:claims')
for i = 1, #all, 2 do
	local db, runner, fence = all[i], split(all[i + 1])
	claimed[db] = true
	if runner and redis.call('EXISTS', 'berth:runner:' .. runner) == 0 then
		-- A fence is the time at which it rose, or just above.
		local age = math.max(0, (now() - tonumber(fence)) / 1000)
		answer[#answer + 1] = string.format('%s %s %s %s %.0f', db, runner, fence, keys[db] or '0', age)
	end
end

for db, count in pairs(keys) do
	if db ~= '0' and db ~= meta and not claimed[db] then
		answer[#answer + 1] = db .. ' - 0 ' .. count .. ' -1'
	end
end
return answer
