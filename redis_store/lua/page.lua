-- Read one window of a thread's messages. KEYS: order, owners.
-- ARGV: body prefix, resource ('' for any), first µs, last µs ('' for open), "asc" or "desc",
-- cursor id, cursor score ('' for none), skip, take (-1 for all), "bodies" or "dates".
-- Returns {total in range, {id, score, …}, {body or created_at µs, …}}; or {-1} where messages of
-- several resources are mixed and each must be looked at. Cost: O(log n + take).

local order, owners, bodies, resource, descending = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[5] == 'desc'
local card = redis.call('ZCARD', order)

if resource ~= '' and card > 0 then
  local counts, mine, all = redis.call('HGETALL', owners), 0, 0
  for i = 1, #counts, 2 do
    all = all + counts[i + 1]
    if counts[i] == resource then mine = tonumber(counts[i + 1]) end
  end
  -- A sum that differs tells of another writer, who does not count.
  if all == card and mine == 0 then card = 0 elseif all ~= card or mine ~= card then return {-1} end
end
if card == 0 then return {0, {}, {}} end

local low = ARGV[3] ~= '' and rank(order, bodies, tonumber(ARGV[3]) - 1) or 0
local high = ARGV[4] ~= '' and rank(order, bodies, tonumber(ARGV[4])) or card
local total = math.max(0, high - low)

if ARGV[6] ~= '' then
  local at = redis.call('ZRANK', order, ARGV[6])
  if descending then
    high = math.min(high, at or redis.call('ZCOUNT', order, '-inf', '(' .. ARGV[7]))
  else
    low = math.max(low, at and at + 1 or redis.call('ZCOUNT', order, '-inf', ARGV[7]))
  end
end

local skip, take = tonumber(ARGV[8]), tonumber(ARGV[9])
local n = math.max(0, high - low - skip)
if take >= 0 then n = math.min(n, take) end
if n == 0 then return {total, {}, {}} end
local first = descending and card - high + skip or low + skip
local command = descending and 'ZREVRANGE' or 'ZRANGE'
local marks = redis.call(command, order, first, first + n - 1, 'WITHSCORES')

local values, names = {}, {}
for i = 1, #marks, 2 do
  if ARGV[10] == 'dates' then
    values[#values + 1] = whole(created_us(bodies, marks[i], marks[i + 1]))
  else
    names[#names + 1] = bodies .. marks[i]
  end
end
chunks(names, function(...)
  for _, body in ipairs(redis.call('MGET', ...)) do values[#values + 1] = body end
end)
return {total, marks, values}
