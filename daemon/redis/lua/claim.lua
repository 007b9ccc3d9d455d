-- SPDX-License-Identifier: MIT
-- Claims a database that is unclaimed and empty; round robin from `start`, so that one is reused as
-- late as possible. user = 1 names one for it; take = 0 only looks.
-- runner epoch grace meta databases start user take
--   → { 1, db, fence, user, foreign… } (looking: { 1, db }) | { 0, claimed, foreign… } (none is free)
--   | { -1 } (another epoch). `foreign…` are the unclaimed ones met on the way that hold keys.

local runner, epoch, grace, meta = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local databases, start, user, take = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]

if not current(epoch) then
	return { -1 }
end

local claimed, count, foreign = {}, 0, {}
for _, db in ipairs(redis.call('HKEYS', 'berth:claims')) do
	claimed[tonumber(db)] = true
	count = count + 1
end

local function keys_in(db)
	redis.call('SELECT', db)
	local keys = redis.call('DBSIZE')
	redis.call('SELECT', meta)
	return keys
end

local function found(db)
	if take ~= '1' then
		return { 1, db }
	end
	local fence = rise()
	local name = user == '1' and 'berth_' .. runner .. '_' .. db .. '_' .. fence or '-'
	alive(runner, grace)
	redis.call('HSET', 'berth:claims', db, runner .. ' ' .. fence .. ' held ' .. name)
	return { 1, db, fence, name }
end

local function with_foreign(answer)
	for _, db in ipairs(foreign) do
		answer[#answer + 1] = db
	end
	return answer
end

for i = 0, databases - 1 do
	local db = (start + i) % databases
	if db ~= 0 and db ~= meta and not claimed[db] then
		if keys_in(db) == 0 then
			return with_foreign(found(db))
		end
		foreign[#foreign + 1] = db
	end
end
return with_foreign({ 0, count })
