--- @include "lib/chunks"       in_chunks
--- @include "steps/protocol"   writes, key, arg, number, skip
-- The step that writes a log of an integration: see `logs.py`.

-- Append items to a log, set fields of its head, and keep the token of the append.
-- KEYS: head, items, tokens. ARGV: now in µs, token, how many tokens are kept, for how many ms, n, m,
-- n items, m fields and values in turn.
function writes.append_log()
  local head, list, tokens = key(), key(), key()
  local us, token, kept, ms = arg(), arg(), number(), arg()
  local n, m = number(), number()
  local items, fields = skip(n), skip(m)
  -- This fails before anything is written if a key holds another type.
  redis.call('HLEN', head)
  in_chunks(ARGV, function(...) redis.call('RPUSH', list, ...) end, items + 1, items + n)
  redis.call('HSETNX', head, 'created', us .. ':' .. token)
  redis.call('HSET', head, 'updated', us)
  in_chunks(ARGV, function(...) redis.call('HSET', head, ...) end, fields + 1, fields + m)
  redis.call('ZADD', tokens, us, token)
  redis.call('ZREMRANGEBYRANK', tokens, 0, -kept - 1)
  redis.call('PEXPIRE', tokens, ms)
end
