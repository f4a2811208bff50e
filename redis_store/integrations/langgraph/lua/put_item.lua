--- @include "lib/items"   drop_vectors
-- Store an item with its vectors, and list it. Cost: O(vectors + log n).
-- KEYS: 1 item, 2 keys, 3 codes; in the plain layout 4 index of namespaces.
-- ARGV: 1 key, 2 value, 3 time in µs, 4 lifetime in ms (0 for ever), 5 entry of the namespace,
-- 6… path, vector and sign code of each vector.
local item, keys, codes, namespaces = unpack(KEYS)
local key, value, now_us, ttl_ms, entry = unpack(ARGV)
drop_vectors(item, codes, key)
redis.call('HSET', item, 'value', value, 'updated', now_us, 'ttl', ttl_ms)
redis.call('HSETNX', item, 'created', now_us)
for i = 6, #ARGV, 3 do
  redis.call('HSET', item, 'v:' .. ARGV[i], ARGV[i + 1])
  redis.call('HSET', codes, key .. '\0' .. ARGV[i], ARGV[i + 2])
end
if ttl_ms == '0' then redis.call('PERSIST', item) else redis.call('PEXPIRE', item, ttl_ms) end
redis.call('ZADD', keys, now_us, key)
if namespaces then redis.call('ZADD', namespaces, 0, entry) end
return 1
