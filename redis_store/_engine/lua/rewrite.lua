-- Write a key without changing it, so that replicas have a write to confirm. Cost: O(1).
-- KEYS: 1 key of any type. ARGV: none. Returns nothing.
local left = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], left >= 0 and left or 3600000)
if left == -1 then redis.call('PERSIST', KEYS[1]) end
