-- Store writes of a task. Cost: O(their bytes).
-- KEYS: 1 writes, 2 data; if there is a lifetime, 3 order, 4 runs.
-- ARGV: 1 lifetime in ms (0 for ever), 2 time in ms, 3… member, '1' if it replaces a write that is
-- there, write.
local writes, data = unpack(KEYS)
redis.call('HSET', data, 't', ARGV[2])
for i = 3, #ARGV, 3 do
  redis.call('ZADD', writes, 0, ARGV[i])
  redis.call(ARGV[i + 1] == '1' and 'HSET' or 'HSETNX', data, 'w\0' .. ARGV[i], ARGV[i + 2])
end
if ARGV[1] ~= '0' then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
end
return 1
