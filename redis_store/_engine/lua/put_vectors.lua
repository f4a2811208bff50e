-- Store vectors of messages. Cost: O(vectors).
-- KEYS: 1 codes, 2 vectors.
-- ARGV: 1 lifetime in ms (0 for ever), 2… field, code and vector of each.
-- Returns 1.
local codes, vectors = KEYS[1], KEYS[2]
for i = 2, #ARGV, 3 do
  redis.call('HSET', codes, ARGV[i], ARGV[i + 1])
  redis.call('HSET', vectors, ARGV[i], ARGV[i + 2])
end
for _, key in ipairs(KEYS) do
  if ARGV[1] == '0' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ARGV[1]) end
end
return 1
