--- @include "lib/values"   base_of, is_stored
--- @include "lib/fold"     fold
-- Store a checkpoint and values. Cost: O(their bytes); one that is folded costs that of its value.
-- KEYS: 1 order, 2 data, 3 runs; in the plain layout 4 index of threads, and 5 index of the run if
-- there is one; the last one, if there is a lifetime, is writes.
-- ARGV: 1 member of the order, 2 record, 3 run id ('' for none), 4 lifetime in ms (0 for ever),
-- 5 time in ms, 6 thread's entry, 7… name, kind and bytes of each value. Kinds: 'v' a whole value,
-- 'd' a delta, 'f' a delta that is folded into a whole value.
-- Returns the names of values that were there already, which stay as they were; or nil, and nothing
-- is stored, if the base of a delta is gone.
local member, record, run, ttl_ms, now_ms, entry = unpack(ARGV)
local writes = ttl_ms ~= '0' and table.remove(KEYS)
local order, data, runs, threads, of_run = unpack(KEYS)
for i = 7, #ARGV, 3 do
  if ARGV[i + 1] ~= 'v' and not is_stored(data, base_of(ARGV[i + 2])) then return nil end
end
local there = {}
for i = 7, #ARGV, 3 do
  local name, kind, bytes = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if is_stored(data, name) then
    there[#there + 1] = name
  elseif kind == 'f' then
    redis.call('HSET', data, 'v\0' .. name, fold(data, bytes))
  else
    redis.call('HSET', data, kind .. '\0' .. name, bytes)
  end
end
redis.call('HSET', data, 'c\0' .. member, record, 't', now_ms)
redis.call('ZADD', order, 0, member)
if run ~= '' then redis.call('ZADD', runs, 0, run) end
if writes then
  for _, key in ipairs({order, writes, data, runs}) do redis.call('PEXPIRE', key, ttl_ms) end
end
if threads then redis.call('ZADD', threads, now_ms, entry) end
if of_run then redis.call('ZADD', of_run, 0, entry) end
return there
