--- @include "lib/chunks"         in_chunks
--- @include "steps/conditions"   unclaimed_runs
--- @include "steps/protocol"     writes, key, arg, number, skip
-- The steps that write keys of any kind.

-- Point messages at their thread: those of the first `unclaimed` that has no `claim` yet.
-- The two pair up in order, so that pointers are sent once, not twice.
-- KEYS: none. ARGV: none.
function writes.claim()
  local run, mset_args = table.remove(unclaimed_runs, 1), {}
  for i = run.first, run.last do
    mset_args[#mset_args + 1], mset_args[#mset_args + 2] = KEYS[i], run.thread
  end
  -- One MSET takes a seventh of the time of a SET for each pointer.
  in_chunks(mset_args, function(...) redis.call('MSET', ...) end)
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
