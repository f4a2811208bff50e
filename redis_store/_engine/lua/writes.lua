-- How the steps of a commit write messages within one thread's slot.

local writes, results = {}, {1}

-- The scores of n messages, false where they have none; and whether any has one.
local function placed(order, ids, n)
  local scores, any = {}, false
  chunks(ARGV, function(...)
    for _, score in ipairs(redis.call('ZMSCORE', order, ...)) do
      scores[#scores + 1], any = score, any or score
    end
  end, ids + 1, ids + n)
  return scores, any
end

-- Store messages in place of older ones; returns the ids and dates of those that need a place, for
-- they are new or their date changed.
local function replace(order, bodies, scores, lost, ids, dates, texts, n)
  local homeless, since = {}, {}
  for i = 1, n do
    local id, us = ARGV[ids + i], tonumber(ARGV[dates + i])
    local old = redis.call('GET', bodies .. id)
    redis.call('SET', bodies .. id, ARGV[texts + i], 'KEEPTTL')
    if old then lose(lost, old) end
    if not (scores[i] and old and to_us(text(old, 'createdAt') or '') == us) then
      if scores[i] then redis.call('ZREM', order, id) end
      homeless[#homeless + 1], since[#since + 1] = id, us
    end
  end
  return homeless, since
end

-- Store messages behind all others, the last of which has `score`: two variadic commands, 7x less
-- time than one each. The n ids, dates and texts follow these positions in ARGV.
local function append(order, bodies, score, ids, dates, texts, n)
  local scored, stored = {}, {}
  for i = 1, n do
    local id, date = ARGV[ids + i], ARGV[dates + i]
    local us = tonumber(date)
    if us <= score then us, date = score + 1, whole(score + 1) end
    score = us
    scored[2 * i - 1], scored[2 * i] = date, id
    stored[2 * i - 1], stored[2 * i] = bodies .. id, ARGV[texts + i]
  end
  chunks(stored, function(...) redis.call('MSET', ...) end)
  chunks(scored, function(...) redis.call('ZADD', order, ...) end)
end
