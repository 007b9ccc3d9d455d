-- SPDX-License-Identifier: MIT
-- Takes over up to `limit` claims of runners that show no sign of life, to be ended by the caller.
-- In a new epoch everybody has been silent, if only because the server was away: nobody counts as
-- dead before the epoch is older than the grace period.
-- runner epoch grace limit → { "db fence user", … }

local mine, epoch, grace, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local answer = {}

if not current(epoch) or now() - tonumber(string.match(epoch, '%d+$')) < grace * 1000 then
	return answer
end

-- Nor does anybody count as dead for one who was silent himself a moment ago.
local since = string.match(redis.call('GET', 'berth:runner:' .. mine) or '', '^(%d+) ')
if not since or now() - tonumber(since) < grace * 1000 then
	return answer
end

local all = redis.call('HGETALL', 'berth:claims')
for i = 1, #all, 2 do
	local db, runner, fence, state, user = all[i], split(all[i + 1])
	if #answer >= limit then
		break
	end
	if runner and runner ~= mine and redis.call('EXISTS', 'berth:runner:' .. runner) == 0 then
		fence = rise()
		redis.call('HSET', 'berth:claims', db, mine .. ' ' .. fence .. ' ending ' .. user)
		answer[#answer + 1] = db .. ' ' .. fence .. ' ' .. user
	end
end
return answer
