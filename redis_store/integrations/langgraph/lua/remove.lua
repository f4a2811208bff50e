--- @include "lib/checkpoints"   writes_of
-- Remove checkpoints and their writes. Cost: O(their number). Their values stay: see sweep.lua.
-- KEYS: 1 order, 2 writes, 3 data. ARGV: members of the order.
local order, writes, data = unpack(KEYS)
for _, member in ipairs(ARGV) do
  redis.call('ZREM', order, member)
  redis.call('HDEL', data, 'c\0' .. member)
  for _, write in ipairs(writes_of(writes, member)) do
    redis.call('ZREM', writes, write)
    redis.call('HDEL', data, 'w\0' .. write)
  end
end
return 1
