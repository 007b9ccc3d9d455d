-- SPDX-License-Identifier: MIT
-- The users that claims name.
-- → { user, … }

local answer = {}

for _, claim in ipairs(redis.call('HVALS', 'berth:claims')) do
	local runner, fence, state, user = split(claim)
	if user and user ~= '-' then
		answer[#answer + 1] = user
	end
end
return answer
