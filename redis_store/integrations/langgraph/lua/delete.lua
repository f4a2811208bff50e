-- Delete a thread. Cost: O(runs); the server frees the rest in the background.
-- KEYS: 1 order, 2 writes, 3 data, 4 runs; in the plain layout 5 index of threads.
-- ARGV: 1 the thread's entry, 2 in ms the time since which it must not have changed ('' for any).
-- Returns the runs, whose indexes still list the thread; or nil, and nothing is changed, if it has.
if ARGV[2] ~= '' and tonumber(redis.call('HGET', KEYS[3], 't') or 0) >= tonumber(ARGV[2]) then
  return nil
end
local found = redis.call('ZRANGE', KEYS[4], 0, -1)
for i = 1, 4 do redis.call('UNLINK', KEYS[i]) end
if KEYS[5] then redis.call('ZREM', KEYS[5], ARGV[1]) end
return found
