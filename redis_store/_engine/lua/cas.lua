-- Replace a string if it is what is expected. KEYS: string. ARGV: expected, new ('' for none).
-- Returns what was there. Cost: O(1).
local value = redis.call('GET', KEYS[1])
if (value or '') == ARGV[1] then
  if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
end
return value
