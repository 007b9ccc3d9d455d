-- SPDX-License-Identifier: MIT
-- Which life of which server is this, and since when: begun anew for another server (restarted, failed
-- over) or an empty registry.
-- run_id → epoch

local run_id = ARGV[1]
local epoch = redis.call('HGET', 'berth:meta', 'epoch')

if not epoch or string.match(epoch, '^%S+') ~= run_id then
	epoch = run_id .. ' ' .. string.format('%.0f', now())
	redis.call('HSET', 'berth:meta', 'epoch', epoch)
end
return epoch
