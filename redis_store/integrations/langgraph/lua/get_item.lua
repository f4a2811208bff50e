-- Read an item, and extend its lifetime if it has one. Cost: O(1).
-- KEYS: 1 item. ARGV: 1 '1' to extend the lifetime, 2… fields to read too.
-- Returns {value, created, updated, lifetime in ms, further fields…}, each nil if it is missing.
local ttl_ms = ARGV[1] == '1' and redis.call('HGET', KEYS[1], 'ttl')
if ttl_ms and ttl_ms ~= '0' then redis.call('PEXPIRE', KEYS[1], ttl_ms) end
return redis.call('HMGET', KEYS[1], 'value', 'created', 'updated', 'ttl', unpack(ARGV, 2))
