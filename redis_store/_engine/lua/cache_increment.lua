-- Add one to a counter and refresh its time to live. Cost: O(1).
-- KEYS: 1 counter. ARGV: 1 ttl in ms (0: never expires). Returns the new value.
redis.call('INCR', KEYS[1])
if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return redis.call('GET', KEYS[1]) -- as text: a number in Lua is exact only to 2^53
