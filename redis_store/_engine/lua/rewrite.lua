-- Rewrite a string unchanged, so that replicas have a write to confirm. Cost: O(1).
-- KEYS: 1 string. ARGV: none. Returns nothing.
local value = redis.call('GET', KEYS[1])
if value then redis.call('SET', KEYS[1], value, 'KEEPTTL') end
