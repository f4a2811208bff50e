-- A thread's lifetime: all its keys expire at the same moment, so that no part outlives another.

-- Let a thread live for `ttl` ms. While the timeline has more than three quarters of that left,
-- only the messages `ids`, which were just written, are set, to the time left: O(1) each. Else all
-- messages are set to `ttl`: O(n), once per quarter of `ttl`. A message's pointer is
-- `pointer_prefix` .. id; the prefix is '' if pointers are in other slots.
-- Returns {ms left, id, …}: the messages whose lifetime was set.
local function extend_lifetime(record, timeline, counts, prefix, pointer_prefix, ttl, ids)
  local left = redis.call('PTTL', timeline)
  if redis.call('EXISTS', record) == 0 then return {left} end
  if left < ttl * 3 / 4 or left > ttl then
    left, ids = ttl, redis.call('ZRANGE', timeline, 0, -1)
  elseif not ids then
    return {left}
  end
  for _, id in ipairs(ids) do
    redis.call('PEXPIRE', prefix .. id, left)
    if pointer_prefix ~= '' then redis.call('PEXPIRE', pointer_prefix .. id, left) end
  end
  for _, name in ipairs({counts, timeline, record}) do redis.call('PEXPIRE', name, left) end
  table.insert(ids, 1, left)
  return ids
end
