-- The steps of a commit that write whatever key they are given.

-- KEYS: n new strings. ARGV: n, the value of all. Variadic: 7x less time than one by one.
function writes.mark()
  local n, marks = number(), {}
  local value = arg()
  for i = 1, n do marks[2 * i - 1], marks[2 * i] = key(), value end
  chunks(marks, function(...) redis.call('MSET', ...) end)
end

-- KEYS: n strings. ARGV: n, n values.
function writes.set() for _ = 1, number() do redis.call('SET', key(), arg(), 'KEEPTTL') end end

-- KEYS: a string. ARGV: n, n times (bytes to keep, bytes to leave out, text in their place).
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

-- KEYS: n keys. ARGV: n.
function writes.del() for _ = 1, number() do redis.call('UNLINK', key()) end end

-- KEYS: one key. ARGV: a command's name, n, its n further arguments.
function writes.call()
  local command, n = arg(), number()
  arg_at = arg_at + n
  redis.call(command, key(), unpack(ARGV, arg_at - n + 1, arg_at))
end
