-- Read a log: its head, and its newest items. Cost: O(items); from the newest back to `since`.
-- KEYS: 1 head, 2 items.
-- ARGV: 1 how many items at most (-1 for all), 2 the stamp that none may be below ('' for any).
-- Returns {head, items from oldest to newest}; {} if there is no log.

local head, limit, since = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2])
if #head == 0 then return {} end
local length = redis.call('LLEN', KEYS[2])
local first = limit < 0 and 0 or math.max(0, length - limit)

-- Stamps need not rise: what is before the newest item below `since` is not looked at.
local function position_since()
  for last = length - 1, first, -100 do
    local start = math.max(first, last - 99)
    local items = redis.call('LRANGE', KEYS[2], start, last)
    for i = #items, 1, -1 do
      if struct.unpack('>d', items[i]) < since then return start + i end
    end
  end
  return first
end

return {head, redis.call('LRANGE', KEYS[2], since and position_since() or first, -1)}
