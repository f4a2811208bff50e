-- Remove a stream unless an event was stored since a moment. Cost: O(1), and freeing it elsewhere.
-- KEYS: 1 stream. ARGV: 1 the moment in ms.
-- Returns whether it was removed.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest and tonumber(string.match(newest[1], '%d+')) >= tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[1])
