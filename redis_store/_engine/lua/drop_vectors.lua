-- Remove vectors of messages, each only if it has not been stored again. Cost: O(vectors).
-- KEYS: 1 codes, 2 vectors. ARGV: field and code of each.
-- Returns how many were removed.
local removed = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    removed = removed + 1
  end
end
return removed
