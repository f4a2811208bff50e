-- Store a string as it is: a write that changes nothing, but that replicas can confirm. Cost: O(1).
-- KEYS: 1 string. ARGV: none. Returns nothing.
local value = redis.call('GET', KEYS[1])
if value then redis.call('SET', KEYS[1], value, 'KEEPTTL') end
