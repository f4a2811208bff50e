--- @include "lib/json"   string_field
--- @include "lib/time"   floor, digits, to_us
-- A thread's timeline: a sorted set of message ids. Scores are whole µs, rise strictly in the order
-- of (created_at, insertion), and are never below created_at: a message whose date another one's
-- score has reached is pushed up by 1 µs. Bodies are stored under `prefix` .. id, in the same slot.

-- Return a message's date in µs; its score if the body is missing or has no date.
local function created_us(prefix, id, score)
  local body = redis.call('GET', prefix .. id)
  return body and to_us(string_field(body, 'createdAt') or '') or tonumber(score)
end

-- Count the messages created at or before `us`. Only messages that were pushed up can have a score
-- above `us` but an earlier date, so usually one body is read; else O(log n), by galloping.
local function rank(timeline, prefix, us)
  local low = redis.call('ZCOUNT', timeline, '-inf', '(' .. digits(us))
  local high, step = redis.call('ZCARD', timeline), 0
  while low < high do
    local at = step and math.min(low + step, high - 1) or floor((low + high) / 2)
    local entry = redis.call('ZRANGE', timeline, at, at, 'WITHSCORES')
    if created_us(prefix, entry[1], entry[2]) <= us then
      low, step = at + 1, step and step * 2 + 1
    else
      high, step = at, nil
    end
  end
  return low
end
