-- The steps of a commit that change a thread's messages: bodies, order and owners.

-- KEYS: order, owners. ARGV: body prefix, n, m, n ids, n created_at µs that do not fall, n bodies,
-- m times (resource, how many of the n). Stores the messages.
function writes.put()
  local order, owners, bodies, n, m = key(), key(), arg(), number(), number()
  local ids, dates, texts = before(n), before(n), before(n)
  local gained, lost = {}, {}
  for _ = 1, m do gained[arg()] = number() end
  local oldest = tonumber(ARGV[dates + 1])
  local last = tonumber(redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2] or '-inf')
  local scores, any = placed(order, ids, n)
  if any or last >= oldest and rank(order, bodies, oldest) < redis.call('ZCARD', order) then
    insert(order, bodies, replace(order, bodies, scores, lost, ids, dates, texts, n))
  else
    append(order, bodies, last, ids, dates, texts, n)
  end
  recount(owners, gained, lost)
end

-- KEYS: order, owners. ARGV: body prefix, n, n ids. Removes messages; returns how many existed.
function writes.drop()
  local order, owners, bodies, existed, lost = key(), key(), arg(), 0, {}
  for _ = 1, number() do
    local id = arg()
    local body = redis.call('GET', bodies .. id)
    if body then lose(lost, body) end
    existed = existed + redis.call('DEL', bodies .. id)
    redis.call('ZREM', order, id)
  end
  recount(owners, {}, lost)
  return existed
end
