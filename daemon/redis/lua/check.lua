-- SPDX-License-Identifier: MIT
-- Do these claims stand?
-- (runner db fence)… → { 1 or 0, … }

local answer = {}

for i = 1, #ARGV, 3 do
	local runner, fence = split(redis.call('HGET', 'berth:claims', ARGV[i + 1]))
	answer[#answer + 1] = (runner == ARGV[i] and fence == ARGV[i + 2]) and 1 or 0
end
return answer
