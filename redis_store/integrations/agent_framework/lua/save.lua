--- @include "lib/chunks"   in_chunks
-- Append the messages that follow those stored, in a log as logs.py has it. Cost: O(messages given),
-- and the square of their number where they overlap with themselves.
-- KEYS: 1 head, 2 items, 3 tokens; in the plain layout, 4 the index that lists the log.
-- ARGV: 1 now in µs, 2 token of the call, 3 how many tokens are kept, 4 for how many ms, 5 lifetime
-- in ms ('' for ever), 6 the log's entry in the index, 7 length of an identity, 8… an identity and an
-- item of each message in turn. An item begins with 8 bytes and its identity, and an identity with
-- "u" if it is of a user's message without an id.
-- Returns how many were appended.
local head, items, tokens, index = unpack(KEYS)
local now_us, token, kept, tokens_ms, ttl_ms, member, length = unpack(ARGV, 1, 7)
local given = (#ARGV - 7) / 2

-- Each fails before anything is written, where a key has another type.
redis.call('HLEN', head)
local stored = redis.call('LRANGE', items, -given, -1)
if index then redis.call('ZCARD', index) end
if redis.call('ZSCORE', tokens, token) then return 0 end

for i = 1, #stored do stored[i] = string.sub(stored[i], 9, 8 + length) end
local function incoming(i) return ARGV[6 + 2 * i] end

-- Whether the stored messages from `first` on are the given ones from `at` on.
local function agrees(first, at)
  for i = first, #stored do
    if stored[i] ~= incoming(at + i - first) then return false end
  end
  return true
end

-- How many of the given messages are stored: they are a whole transcript, which holds all that is
-- stored, or they begin with its end. One message of a user without an id may be said again.
local function known()
  local all = #stored
  if all == 0 then return 0 end
  local is_lone = string.sub(stored[all], 1, 1) == 'u'
  if redis.call('LLEN', items) == all then
    for at = 1, given - all + 1 do
      if agrees(1, at) then
        if at == 1 and all == 1 and is_lone then break end
        return at + all - 1
      end
    end
  end
  for overlap = math.min(all, given), 1, -1 do
    local is_repetition = overlap == 1 and is_lone
    if not is_repetition and agrees(all - overlap + 1, 1) then return overlap end
  end
  return 0
end

local fresh = {}
for i = known() + 1, given do fresh[#fresh + 1] = ARGV[7 + 2 * i] end
in_chunks(fresh, function(...) redis.call('RPUSH', items, ...) end)
redis.call('HSETNX', head, 'created', now_us .. ':' .. token)
redis.call('HSET', head, 'updated', now_us)
redis.call('ZADD', tokens, now_us, token)
redis.call('ZREMRANGEBYRANK', tokens, 0, -kept - 1)
redis.call('PEXPIRE', tokens, tokens_ms)
if ttl_ms ~= '' then
  redis.call('PEXPIRE', head, ttl_ms)
  redis.call('PEXPIRE', items, ttl_ms)
end
if index then redis.call('ZADD', index, now_us, member) end
return #fresh
