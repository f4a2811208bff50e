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

-- KEYS: record, n sorted sets. ARGV: now in µs, n, thread id. Moves updated_at strictly ahead, to
-- now at least; returns it in µs and the thread's owner, or nothing where there is no thread.
function writes.touch()
  local name, us, n, thread = key(), number(), number(), arg()
  local record = redis.call('GET', name)
  if not record then
    key_at = key_at + n
    return {}
  end
  local first, last = span(record, 'updatedAt')
  local before = first and to_us(string.sub(record, first + 1, last - 1))
  us = math.max(us, (before or us - 1) + 1)
  local json = '"' .. to_iso(us) .. '"'
  local head = first and string.sub(record, 1, first - 1) or string.sub(record, 1, -2) .. ',"updatedAt":'
  redis.call('SET', name, head .. json .. (last and string.sub(record, last + 1) or '}'), 'KEEPTTL')
  for _ = 1, n do redis.call('ZADD', key(), 'XX', whole(us), thread) end
  return {whole(us), text(record, 'resourceId')}
end

-- KEYS: record, order, owners. ARGV: body prefix, index prefix, ttl in ms, n, n ids just written.
-- Lets a thread live on: see `lifetime.lua`.
function writes.keep()
  local record, order, owners, bodies, indexes, ttl = key(), key(), key(), arg(), arg(), number()
  local fresh = {}
  for _ = 1, number() do fresh[#fresh + 1] = arg() end
  return keep_alive(record, order, owners, bodies, indexes, ttl, fresh)
end
