-- Adding messages to a thread's order: those that tie with or touch a later one push it up.

-- Iterate over ids and scores from a rank on.
local function entries(order, at)
  local page, i, size = {}, 1, 4
  return function()
    if i > #page then
      page, i = redis.call('ZRANGE', order, at, at + size - 1, 'WITHSCORES'), 1
      at, size = at + size, math.min(size * 4, 1000)
    end
    i = i + 2
    return page[i - 2], tonumber(page[i - 1])
  end
end

-- Add messages, by rising date, each after all that were created at or before it; those behind give
-- way. O(log n) for each that is added and each that gives way: one pass, however many touch.
local function insert(order, bodies, ids, dates)
  local scored, i = {}, 1
  local function place(id, score) scored[#scored + 1], scored[#scored + 2] = whole(score), id end
  while ids[i] do
    local at = rank(order, bodies, dates[i])
    local before = at > 0 and redis.call('ZRANGE', order, at - 1, at - 1, 'WITHSCORES')
    local score = before and math.max(dates[i], tonumber(before[2]) + 1) or dates[i]
    place(ids[i], score)
    i = i + 1
    local next_entry = entries(order, at)
    local id, placed = next_entry()
    repeat
      local us, gap = dates[i], false
      if us and (not id or us < placed and us < created_us(bodies, id, placed)) then
        score = math.max(us, score + 1)
        place(ids[i], score)
        i = i + 1
      elseif id and placed <= score then
        score = score + 1
        place(id, score)
        id, placed = next_entry()
      else
        gap = true
      end
    until gap
  end
  chunks(scored, function(...) redis.call('ZADD', order, ...) end)
end
