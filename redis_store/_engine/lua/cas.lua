-- Compare and set: set a string if it has the expected value. Cost: O(1).
-- KEYS: 1 string. ARGV: 1 expected value ('' for a missing string), 2 new value ('' to delete it).
-- Returns 1 if it had; else the value that it has, or nil.
local value = redis.call('GET', KEYS[1])
if (value or '') ~= ARGV[1] then return value end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
