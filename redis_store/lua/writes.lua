-- The steps of a commit that write within one thread's slot. `owners` counts a thread's messages
-- by resource id, so that a page of one resource need not read them all.

local writes, results = {}, {1}

local function disown(owners, body)
  local resource = text(body, 'resourceId')
  if resource and redis.call('HEXISTS', owners, resource) == 1 then
    redis.call('HINCRBY', owners, resource, -1)
  end
end

-- Store a message; tell whether it needs a place, for it is new or its date changed.
local function replace(order, owners, bodies, id, us, body)
  local old, placed = redis.call('GET', bodies .. id), redis.call('ZSCORE', order, id)
  redis.call('SET', bodies .. id, body, 'KEEPTTL')
  if old then disown(owners, old) end
  if placed and old and to_us(text(old, 'createdAt') or '') == us then return false end
  if placed then redis.call('ZREM', order, id) end
  return true
end

-- Store messages behind all others, the last of which has `score`: two variadic commands, 7x less
-- time than one each.
local function append(order, bodies, score, ids, dates, texts)
  local scored, stored = {}, {}
  for i, id in ipairs(ids) do
    score = math.max(dates[i], score + 1)
    scored[2 * i - 1], scored[2 * i] = whole(score), id
    stored[2 * i - 1], stored[2 * i] = bodies .. id, texts[i]
  end
  chunks(stored, function(...) redis.call('MSET', ...) end)
  chunks(scored, function(...) redis.call('ZADD', order, ...) end)
end

local function any_placed(order, ids)
  local found = false
  chunks(ids, function(...)
    for _, score in ipairs(redis.call('ZMSCORE', order, ...)) do found = found or score end
  end)
  return found
end
