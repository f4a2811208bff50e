-- Count a thread's messages by resource anew. KEYS: order, owners. ARGV: body prefix.
-- Returns {resource, its newest score, …}. Cost: O(n), about 3 µs a message.

local order, owners, bodies = KEYS[1], KEYS[2], ARGV[1]
local counts, newest = {}, {}
for first = 0, redis.call('ZCARD', order) - 1, 1000 do
  local marks, names = redis.call('ZRANGE', order, first, first + 999, 'WITHSCORES'), {}
  for i = 1, #marks, 2 do names[#names + 1] = bodies .. marks[i] end
  for i, body in ipairs(redis.call('MGET', unpack(names))) do
    local resource = body and text(body, 'resourceId')
    if resource then
      counts[resource] = (counts[resource] or 0) + 1
      newest[resource] = marks[2 * i]
    end
  end
end
redis.call('DEL', owners)
local reply = {}
for resource, n in pairs(counts) do
  redis.call('HSET', owners, resource, n)
  reply[#reply + 1], reply[#reply + 2] = resource, newest[resource]
end
return reply
