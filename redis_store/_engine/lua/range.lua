-- The ranks that a window of a thread's messages spans.

-- How many of `card` messages precede the window's range of dates, and how many its end.
local function dated(order, bodies, card, first, last)
  local low = first ~= '' and rank(order, bodies, tonumber(first) - 1) or 0
  local high = last ~= '' and rank(order, bodies, tonumber(last)) or card
  return low, high
end

-- Where the last of the messages seen is now, of those that are still there at their date.
local function seen_at(order, bodies, us, ids)
  for _, id in ipairs(ids) do
    local at = redis.call('ZRANK', order, id)
    if at and created_us(bodies, id, us) == us then return at end
  end
end

-- The ranks low .. high - 1 without what was seen at `us` and before it.
local function unseen(order, bodies, low, high, us, ids, descending)
  local at = seen_at(order, bodies, us, ids)
  if descending then return low, math.min(high, at or rank(order, bodies, us)) end
  return math.max(low, at and at + 1 or rank(order, bodies, us - 1)), high
end
