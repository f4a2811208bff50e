-- The steps of a commit that may refuse it. They write nothing.

local checks, refused, claims, records = {}, {0}, {}, {}

local function refuse(name, value)
  refused[#refused + 1], refused[#refused + 2] = name, value
end

-- Refuse the next n keys that hold what they must not.
local function check_strings(n, holds)
  for first = key_at + 1, key_at + n, 4000 do
    local last = math.min(first + 3999, key_at + n)
    for i, value in ipairs(redis.call('MGET', unpack(KEYS, first, last))) do
      if not holds(value) then refuse(KEYS[first + i - 1], value) end
    end
  end
  key_at = key_at + n
end

-- KEYS: n sorted sets. Fails before anything is written where another type is stored.
function checks.sorted() for _ = 1, number() do redis.call('ZCARD', key()) end end

-- KEYS: n hashes. Fails as 'sorted' does.
function checks.counters() for _ = 1, number() do redis.call('HLEN', key()) end end

-- KEYS: n keys. ARGV: n. That they are named is enough: see `_near` in `transaction.py`.
function checks.near() key_at = key_at + number() end

-- KEYS: n strings. ARGV: n, what each must hold; '' for nothing.
function checks.same()
  check_strings(number(), function(value) return (value or '') == arg() end)
end

-- KEYS: n strings. ARGV: n, the SHA-1 in hex of what each must hold.
function checks.hashed()
  check_strings(number(), function(value) return redis.sha1hex(value or '') == arg() end)
end

-- KEYS: n strings. ARGV: n. Each must be there.
function checks.present()
  check_strings(number(), function(value) return value end)
end

-- KEYS: n message indexes. ARGV: n, the only thread that they may name; see `mark`.
function checks.free()
  local n, thread = number(), arg()
  claims[#claims + 1] = {first = key_at + 1, last = key_at + n, thread = thread}
  check_strings(n, function(value) return not value or value == thread end)
end

-- KEYS: a thread's record. ARGV: the resource that must own it.
function checks.thread()
  local name, resource = key(), arg()
  local record = redis.call('GET', name)
  if not record or text(record, 'resourceId') ~= resource then refuse(name, record) end
  records[name] = record
end
