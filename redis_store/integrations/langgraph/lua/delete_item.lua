--- @include "lib/items"   drop_vectors
-- Delete an item, and what lists it. Cost: O(vectors + log n).
-- KEYS: 1 item, 2 keys, 3 codes; in the plain layout 4 index of namespaces.
-- ARGV: 1 key, 2 entry of the namespace, 3 '' for any, 'gone' if it must have expired, or a time in µs
-- since which it must not have changed; 4… paths that an expired item may have had vectors of.
-- Returns how many items the namespace has left; or -1, and nothing is changed, if it was to stay.
local item, keys, codes, namespaces = unpack(KEYS)
local key, entry, only = unpack(ARGV)
local updated = redis.call('HGET', item, 'updated')
if updated and (only == 'gone' or (only ~= '' and tonumber(updated) >= tonumber(only))) then return -1 end
drop_vectors(item, codes, key)
for i = 4, #ARGV do redis.call('HDEL', codes, key .. '\0' .. ARGV[i]) end
redis.call('UNLINK', item)
redis.call('ZREM', keys, key)
local left = redis.call('ZCARD', keys)
if left == 0 then
  redis.call('UNLINK', codes)
  if namespaces then redis.call('ZREM', namespaces, entry) end
end
return left
