-- Copy a thread over another one, in the plain layout. Cost: O(bytes of the thread).
-- KEYS: 1 to 4 order, writes, data and runs of the source, 5 to 8 of the target, 9 index of threads.
-- ARGV: 1 time in ms, 2 the target's entry, 3 lifetime in ms (0: what is left of the source's).
-- Returns the runs of the copy, whose indexes do not list the target yet, and those that the target
-- had; or nil, and nothing is changed, if there is no source.
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
local had = redis.call('ZRANGE', KEYS[8], 0, -1)
for i = 1, 4 do
  redis.call('UNLINK', KEYS[4 + i])
  redis.call('COPY', KEYS[i], KEYS[4 + i])
  if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[4 + i], ARGV[3]) end
end
redis.call('ZADD', KEYS[9], ARGV[1], ARGV[2])
return {redis.call('ZRANGE', KEYS[8], 0, -1), had}
