-- Compare and set: set a string if it has the expected value. Cost: O(1).
-- KEYS: 1 string. ARGV: 1 expected value ('' for a missing string), 2 new value ('' to delete it).
-- Returns the value before, or nil.
local value = redis.call('GET', KEYS[1])
if (value or '') == ARGV[1] then
  if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
end
return value
