-- Read the sign codes of vectors: see vectors.py. Cost: O(vectors).
-- KEYS: 1 codes. ARGV: 1 the most that are read.
-- Returns {their number, {field, code, …}}, without these if there are more.
local count = redis.call('HLEN', KEYS[1])
if count > tonumber(ARGV[1]) then return {count, {}} end
return {count, redis.call('HGETALL', KEYS[1])}
