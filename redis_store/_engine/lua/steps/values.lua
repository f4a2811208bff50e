--- @include "lib/blocks"         move, truncate
--- @include "lib/chunks"         in_chunks
--- @include "steps/conditions"   unclaimed_runs
--- @include "steps/protocol"     writes, key, arg, number, skip
-- The steps that write keys of any kind.

-- Point messages at their thread: those of the first `unclaimed` that has no `claim` yet.
-- The two pair up in order, so that pointers are sent once, not twice.
-- KEYS: none. ARGV: none.
function writes.claim()
  -- One MSET takes a seventh of the time of a SET for each pointer.
  in_chunks(table.remove(unclaimed_runs, 1), function(...) redis.call('MSET', ...) end)
end

-- Store strings. A key that expires keeps its lifetime.
-- KEYS: n strings. ARGV: n, n values.
function writes.set_strings()
  for _ = 1, number() do redis.call('SET', key(), arg(), 'KEEPTTL') end
end

-- Replace parts of a string, so that only the changes are sent. The key keeps its lifetime.
-- KEYS: string. ARGV: n, n times (bytes to keep, bytes to drop, text in their place).
function writes.splice()
  local name, n, parts, at = key(), number(), {}, 1
  local value = redis.call('GET', name)
  for _ = 1, n do
    local keep = number()
    parts[#parts + 1] = string.sub(value, at, at + keep - 1)
    at = at + keep + number()
    parts[#parts + 1] = arg()
  end
  redis.call('SET', name, table.concat(parts) .. string.sub(value, at), 'KEEPTTL')
end

-- Replace parts of a large string, as `splice` does.
-- What is before the first change is not touched, here and on replicas.
-- KEYS: string. ARGV: n, n times (bytes to keep, bytes to drop, text in their place).
function writes.splice_in_place()
  local name, kept, texts, at, delta = key(), {}, {}, 0, 0
  for i = 1, number() do
    local keep, drop, text = number(), number(), arg()
    kept[i], texts[i] = {at, at + keep, delta}, {at + keep + delta, text}
    at, delta = at + keep + drop, delta + #text - drop
  end
  local length = redis.call('STRLEN', name)
  kept[#kept + 1] = {at, length, delta}
  -- No stretch is moved to where another is yet to be moved from: first those that go to the right,
  -- from the last to the first, then the others.
  for i = #kept, 1, -1 do
    if kept[i][3] > 0 then move(name, unpack(kept[i])) end
  end
  for _, stretch in ipairs(kept) do
    if stretch[3] < 0 then move(name, unpack(stretch)) end
  end
  for _, text in ipairs(texts) do redis.call('SETRANGE', name, unpack(text)) end
  if delta < 0 then truncate(name, length + delta) end
end

-- Delete keys of any type.
-- KEYS: n keys. ARGV: n.
function writes.delete() for _ = 1, number() do redis.call('UNLINK', key()) end end

-- Run a command that has one key, as its first argument.
-- KEYS: its key. ARGV: its name, n, its n other arguments.
function writes.command()
  local name, n = arg(), number()
  local at = skip(n)
  redis.call(name, key(), unpack(ARGV, at + 1, at + n))
end
