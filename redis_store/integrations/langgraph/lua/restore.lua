-- Put what dump.lua returned in the place of a thread. Cost: O(its bytes).
-- KEYS: 1 order, 2 writes, 3 data, 4 runs. ARGV: 1 lifetime in ms (0 for ever), 2… dumps of the keys.
-- Returns the runs that it had.
local had = redis.call('ZRANGE', KEYS[4], 0, -1)
for i, key in ipairs(KEYS) do
  redis.call('UNLINK', key)
  if ARGV[1 + i] ~= '' then redis.call('RESTORE', key, ARGV[1], ARGV[1 + i]) end
end
return had
