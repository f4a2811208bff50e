-- Read a thread as it is stored. Cost: O(its bytes).
-- KEYS: 1 order, 2 writes, 3 data, 4 runs. Returns {its lifetime in ms (0 for ever), the runs, dumps
-- of the keys}, or nil if there is no such thread.
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
local dumps = {}
for i, key in ipairs(KEYS) do dumps[i] = redis.call('DUMP', key) or '' end
return {math.max(0, redis.call('PTTL', KEYS[1])), redis.call('ZRANGE', KEYS[4], 0, -1), dumps}
