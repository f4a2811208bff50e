-- Append a value to a list and refresh its time to live. Cost: O(1).
-- KEYS: 1 list. ARGV: 1 value in JSON, 2 ttl in ms (0: never expires). Returns the new length.
local length = redis.call('RPUSH', KEYS[1], ARGV[1])
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return length
