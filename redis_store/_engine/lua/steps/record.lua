--- @include "lib/json"           field_span, string_field
--- @include "lib/lifetime"       extend_lifetime
--- @include "lib/removal"        drop_all
--- @include "lib/updated_at"     advance_updated_at
--- @include "steps/conditions"   records
--- @include "steps/protocol"     writes, key_at, key, arg, number, skip
-- The steps that write a whole thread: its resource id, its date, its lifetime.

-- Make a thread, and list it, unless it exists.
-- KEYS: thread record, n indexes. ARGV: record in JSON, n, n scores, thread id. Reply: 1 if it was
-- made, 0 if it exists.
function writes.create_thread()
  local name, json, n = key(), arg(), number()
  local scores, thread, first = skip(n), arg(), key_at
  key_at = key_at + n
  if redis.call('EXISTS', name) == 1 then return 0 end
  redis.call('SET', name, json)
  for i = 1, n do redis.call('ZADD', KEYS[first + i], ARGV[scores + i], thread) end
  return 1
end

-- Set the resource id of all messages of a thread.
-- KEYS: timeline, counts. ARGV: body prefix, resource id in JSON, resource id.
function writes.set_resource()
  local timeline, counts, prefix, json, resource, n = key(), key(), arg(), arg(), arg(), 0
  for _, id in ipairs(redis.call('ZRANGE', timeline, 0, -1)) do
    -- With the timeline, as in `page.lua`: a body that has migrated must not read as missing.
    local body = redis.call('MGET', timeline, prefix .. id)[2]
    local first, last = field_span(body or '', 'resourceId')
    if first then
      body = string.sub(body, 1, first - 1) .. json .. string.sub(body, last + 1)
      redis.call('SET', prefix .. id, body, 'KEEPTTL')
      n = n + 1
    end
  end
  -- Counted afresh: from now on one resource has all messages.
  redis.call('DEL', counts)
  if n > 0 then redis.call('HSET', counts, resource, n) end
end

-- Remove a thread's messages, but not its record.
-- KEYS: timeline, counts. ARGV: body prefix, message pointer prefix ('' if the pointers are in other
-- slots), thread id. Reply: the messages whose pointers are in other slots.
function writes.drop_all_messages()
  return drop_all(key(), key(), arg(), arg(), arg())
end

-- Advance a thread's updated_at: to now, or by 1 µs if it is now or later. Also in its indexes.
-- KEYS: thread record, n indexes. ARGV: now in µs, now in ISO 8601, n, thread id. Reply: nothing
-- if the thread is missing; else updated_at in µs and, if n is 0, the thread's resource id.
function writes.touch()
  local name, us, iso, n, thread = key(), arg(), arg(), number(), arg()
  -- The record that `expect_owner` read is current: only `create_thread` writes one before this
  -- step, and only where none was read. A second `touch` must read it again.
  local record = records[name] or redis.call('GET', name)
  records[name] = nil
  if not record then
    key_at = key_at + n
    return {}
  end
  us = advance_updated_at(name, record, us, iso)
  for _ = 1, n do redis.call('ZADD', key(), 'XX', us, thread) end
  return {us, n == 0 and string_field(record, 'resourceId')}
end

-- Extend a thread's lifetime: see `extend_lifetime` in `lib/lifetime.lua`.
-- KEYS: thread record, timeline, counts. ARGV: body prefix, message pointer prefix ('' if the
-- pointers are in other slots), ttl in ms, n, n ids just written. Reply: ms left, and the ids of
-- the messages whose lifetime was set.
function writes.extend()
  local record, timeline, counts = key(), key(), key()
  local prefix, pointer_prefix, ttl, ids = arg(), arg(), number(), {}
  for _ = 1, number() do ids[#ids + 1] = arg() end
  return extend_lifetime(record, timeline, counts, prefix, pointer_prefix, ttl, ids)
end
