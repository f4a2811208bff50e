-- Remove an index entry unless it was renewed. Cost: O(log n).
-- KEYS: 1 index of threads. ARGV: 1 entry, 2 its score when it was read.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1])) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
