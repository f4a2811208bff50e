-- The steps of a commit that change a thread's record, or what depends on it: owner and lifetime.

-- KEYS: order, owners. ARGV: body prefix, resource as JSON, resource. Gives all messages to it.
function writes.own()
  local order, owners, bodies, json, resource, n = key(), key(), arg(), arg(), arg(), 0
  for _, id in ipairs(redis.call('ZRANGE', order, 0, -1)) do
    local body = redis.call('MGET', order, bodies .. id)[2] -- with the order: as in `page.lua`
    local first, last = span(body or '', 'resourceId')
    if first then
      redis.call('SET', bodies .. id, string.sub(body, 1, first - 1) .. json .. string.sub(body, last + 1), 'KEEPTTL')
      n = n + 1
    end
  end
  redis.call('DEL', owners)
  if n > 0 then redis.call('HSET', owners, resource, n) end
end

-- KEYS: record, n sorted sets. ARGV: now in µs and in ISO 8601, n, thread id. Moves updated_at
-- strictly ahead, to now at least. Returns nothing where there is no thread; else updated_at in µs,
-- and where n is 0 the thread's owner.
function writes.touch()
  local name, us, json, n, thread = key(), arg(), arg(), number(), arg()
  -- No step before this one writes a record.
  local record = records[name] or redis.call('GET', name)
  records[name] = nil
  if not record then
    key_at = key_at + n
    return {}
  end
  local first, last = span(record, 'updatedAt')
  local before = first and string.sub(record, first + 1, last - 1)
  -- As text, dates of one form compare as they are.
  local before_us = before and (#before ~= #json or before >= json) and to_us(before)
  if before_us and before_us >= tonumber(us) then
    us, json = whole(before_us + 1), to_iso(before_us + 1)
  end
  local head = first and string.sub(record, 1, first) or string.sub(record, 1, -2) .. ',"updatedAt":"'
  redis.call('SET', name, head .. json .. (last and string.sub(record, last) or '"}'), 'KEEPTTL')
  for _ = 1, n do redis.call('ZADD', key(), 'XX', us, thread) end
  return {us, n == 0 and text(record, 'resourceId')}
end

-- KEYS: record, order, owners. ARGV: body prefix, index prefix, ttl in ms, n, n ids just written.
-- Lets a thread live on: see `lifetime.lua`.
function writes.keep()
  local record, order, owners, bodies, indexes, ttl = key(), key(), key(), arg(), arg(), number()
  local fresh = {}
  for _ = 1, number() do fresh[#fresh + 1] = arg() end
  return keep_alive(record, order, owners, bodies, indexes, ttl, fresh)
end
