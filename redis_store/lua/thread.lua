-- The steps of a commit that change a thread's messages: bodies, order and owners.

-- KEYS: order, owners. ARGV: body prefix, n, m, n times (id, created_at µs, body) by rising date,
-- m times (resource, how many of the n). Stores the messages.
function writes.put()
  local order, owners, bodies, n, m = key(), key(), arg(), number(), number()
  local ids, dates, texts = {}, {}, {}
  for i = 1, n do
    ids[i], dates[i], texts[i] = ARGV[arg_at + 1], tonumber(ARGV[arg_at + 2]), ARGV[arg_at + 3]
    arg_at = arg_at + 3
  end
  local last = tonumber(redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2] or '-inf')
  local behind_all = last < dates[1] or rank(order, bodies, dates[1]) == redis.call('ZCARD', order)
  if behind_all and not any_placed(order, ids) then
    append(order, bodies, last, ids, dates, texts)
  else
    local homeless, since = {}, {}
    for i = 1, n do
      if replace(order, owners, bodies, ids[i], dates[i], texts[i]) then
        homeless[#homeless + 1], since[#since + 1] = ids[i], dates[i]
      end
    end
    insert(order, bodies, homeless, since)
  end
  for _ = 1, m do redis.call('HINCRBY', owners, arg(), arg()) end
end

-- KEYS: order, owners. ARGV: body prefix, n, n ids. Removes messages; returns how many existed.
function writes.drop()
  local order, owners, bodies, existed = key(), key(), arg(), 0
  for _ = 1, number() do
    local id = arg()
    local body = redis.call('GET', bodies .. id)
    if body then disown(owners, body) end
    existed = existed + redis.call('DEL', bodies .. id)
    redis.call('ZREM', order, id)
  end
  return existed
end
