-- Apply one operation whole, or refuse it whole. `transaction.py` writes KEYS and ARGV: the names
-- of steps, each with what it takes; the steps that check come first. Steps that may be refused
-- for want of memory come before those that delete, so that an OOM error finds nothing written.
-- Returns {1, result, …} of the steps that have one, or {0, key, value, …}: the refused keys and
-- what they hold now. Cost: O(log n) per message; no scan.

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

while arg_at < #ARGV do
  local step = arg()
  if checks[step] then
    checks[step]()
  elseif refused[2] then
    return refused
  else
    results[#results + 1] = writes[step]()
  end
end
return refused[2] and refused or results
