-- Store a summary that covers more entries than the stored one. Cost: O(1).
-- KEYS: 1 head.
-- ARGV: 1 what names the session, 2 how many entries the summary covers, 3 the summary.
local name, covered = unpack(redis.call('HMGET', KEYS[1], 'name', 'covered'))
if name ~= ARGV[1] or tonumber(covered or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'covered', ARGV[2], 'summary', ARGV[3])
return 1
