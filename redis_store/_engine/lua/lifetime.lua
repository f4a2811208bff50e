-- A thread's lifetime: all its keys expire at one moment, so that it goes whole or stays whole.

-- Let a thread live for `ttl` ms. While more than three quarters of that are left to its order, only
-- the ids in `fresh`, which were written just now, are brought in line: O(1) for each; else all
-- messages are: O(n), once in a quarter of `ttl`. `indexes` precedes the id in the key of a
-- message's index, '' where that is in another slot.
-- Returns {ms left, id, …}: the messages whose lifetime was set.
local function keep_alive(record, order, owners, bodies, indexes, ttl, fresh)
  local left = redis.call('PTTL', order)
  if redis.call('EXISTS', record) == 0 then return {left} end
  if left < ttl * 3 / 4 or left > ttl then
    left, fresh = ttl, redis.call('ZRANGE', order, 0, -1)
  elseif not fresh then
    return {left}
  end
  for _, id in ipairs(fresh) do
    redis.call('PEXPIRE', bodies .. id, left)
    if indexes ~= '' then redis.call('PEXPIRE', indexes .. id, left) end
  end
  for _, name in ipairs({owners, order, record}) do redis.call('PEXPIRE', name, left) end
  table.insert(fresh, 1, left)
  return fresh
end
