-- A thread's order: a sorted set of message ids. Scores are whole microseconds, rise strictly along
-- (created_at, insertion), and are created_at or more: where timestamps tie or touch, the later
-- message is pushed up. Bodies lie at `bodies` .. id, in the slot of `order`.

-- %.0f, as tostring() keeps 14 digits and a score has 16.
local function whole(number) return string.format('%.0f', number) end

-- Run a variadic command over (a part of) a list in chunks: Lua unpacks at most 8,000 values.
local function chunks(list, run, first, last)
  last = last or #list
  for i = first or 1, last, 4000 do run(unpack(list, i, math.min(i + 3999, last))) end
end

local function created_us(bodies, id, score)
  local body = redis.call('GET', bodies .. id)
  return body and to_us(text(body, 'createdAt') or '') or tonumber(score)
end

-- How many messages were created at or before `us`. Only messages pushed up can have a score
-- above `us` and a date below it, so one body is read as a rule; else O(log n), galloping.
local function rank(order, bodies, us)
  local low, high = redis.call('ZCOUNT', order, '-inf', '(' .. whole(us)), redis.call('ZCARD', order)
  local step = 0
  while low < high do
    local at = step and math.min(low + step, high - 1) or floor((low + high) / 2)
    local entry = redis.call('ZRANGE', order, at, at, 'WITHSCORES')
    if created_us(bodies, entry[1], entry[2]) <= us then
      low, step = at + 1, step and step * 2 + 1
    else
      high, step = at, nil
    end
  end
  return low
end
