--- @include "lib/chunks"       in_chunks
--- @include "lib/fingerprint"  fingerprint
--- @include "lib/json"         string_field
--- @include "steps/protocol"   conditions, key_at, key, arg, number
-- The steps that may refuse a commit. They write nothing, and come before those that do.

-- conflicts: the reply to a refused commit. unclaimed_runs: each `unclaimed` without a `claim` yet,
-- as what MSET takes of the pointers that are missing. records: threads' records as `expect_owner`
-- read them.
local conflicts, unclaimed_runs, records = {0}, {}, {}

local function refuse(name, value)
  conflicts[#conflicts + 1], conflicts[#conflicts + 2] = name, value
end

-- Refuse those of the next n keys whose values fail a test. It is called once for each key and in
-- order, as it may consume ARGV. MGET: a key of another type reads as missing.
local function check_strings(n, passes)
  for first = key_at + 1, key_at + n, 4000 do
    local last = math.min(first + 3999, key_at + n)
    for i, value in ipairs(redis.call('MGET', unpack(KEYS, first, last))) do
      if not passes(value) then refuse(KEYS[first + i - 1], value) end
    end
  end
  key_at = key_at + n
end

-- Fail before anything is written unless each key is a sorted set or missing.
-- KEYS: n keys. ARGV: n.
function conditions.is_zset() for _ = 1, number() do redis.call('ZCARD', key()) end end

-- Fail before anything is written unless each key is a hash or missing.
-- KEYS: n keys. ARGV: n.
function conditions.is_hash() for _ = 1, number() do redis.call('HLEN', key()) end end

-- Declare keys that later steps build from a prefix.
-- While their slot migrates, a cluster node then answers TRYAGAIN if it lacks one of them, instead
-- of running the script on half a thread.
-- KEYS: n keys. ARGV: n.
function conditions.declare_keys() key_at = key_at + number() end

-- Declare all messages of a thread, as `declare_keys` does; their ids stay on the server.
-- KEYS: timeline. ARGV: body prefix.
function conditions.declare_messages()
  local timeline, bodies = key(), redis.call('ZRANGE', KEYS[key_at], 0, -1)
  local prefix = arg()
  for i, id in ipairs(bodies) do bodies[i] = prefix .. id end
  -- With the timeline, as in `page.lua`: only a command on several keys fails if one has migrated.
  in_chunks(bodies, function(...) redis.call('EXISTS', timeline, ...) end)
end

-- Refuse unless each string has its value.
-- KEYS: n strings. ARGV: n, n values ('' for a missing string).
function conditions.expect()
  check_strings(number(), function(value) return (value or '') == arg() end)
end

-- Refuse unless each string has its digest, which is sent in place of a long value.
-- KEYS: n strings. ARGV: n, n SHA-1 digests in hex.
function conditions.expect_digest()
  check_strings(number(), function(value) return redis.sha1hex(value or '') == arg() end)
end

-- Refuse unless each string has its fingerprint, which stands for a large value. A conflict has the
-- current fingerprint in place of the value.
-- KEYS: n strings. ARGV: n, n fingerprints.
function conditions.expect_fingerprint()
  for _ = 1, number() do
    local name, expected = key(), arg()
    local found = fingerprint(name)
    if found ~= expected then refuse(name, found) end
  end
end

-- Refuse unless each string exists.
-- KEYS: n strings. ARGV: n.
function conditions.expect_present()
  check_strings(number(), function(value) return value end)
end

-- Refuse unless the thread exists and belongs to the resource.
-- KEYS: thread record. ARGV: resource id.
function conditions.expect_owner()
  local name, resource = key(), arg()
  local record = redis.call('GET', name)
  if not record or string_field(record, 'resourceId') ~= resource then refuse(name, record) end
  records[name] = record
end

-- Refuse if the thread exists and belongs to another resource.
-- KEYS: thread record. ARGV: resource id.
function conditions.expect_no_other_owner()
  local name, resource = key(), arg()
  local record = redis.call('GET', name)
  if record and string_field(record, 'resourceId') ~= resource then refuse(name, record) end
  records[name] = record
end

-- Refuse unless the field has one of n values ('' for a missing one), or exists if n is 0.
-- KEYS: hash. ARGV: field, n, n values.
function conditions.expect_field()
  local name, field, n = key(), arg(), number()
  local value = redis.call('HGET', name, field)
  local passes = n == 0 and value
  for _ = 1, n do passes = arg() == (value or '') or passes end
  if not passes then refuse(name, value) end
end

-- Refuse unless the sorted set has the member with this score ('' if it is missing).
-- KEYS: sorted set. ARGV: member, score.
function conditions.expect_score()
  local name, member = key(), arg()
  local score = redis.call('ZSCORE', name, member)
  if tonumber(score or '') ~= number() then refuse(name, score) end
end

-- Refuse unless each message pointer is missing or names the thread; see `claim`.
-- KEYS: n message pointers. ARGV: n, thread id.
function conditions.unclaimed()
  local n, thread, at, missing = number(), arg(), key_at, {}
  unclaimed_runs[#unclaimed_runs + 1] = missing
  check_strings(n, function(value)
    at = at + 1
    if not value then missing[#missing + 1], missing[#missing + 2] = KEYS[at], thread end
    return not value or value == thread
  end)
end
