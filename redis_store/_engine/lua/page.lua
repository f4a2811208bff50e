-- Read one window of a thread's messages. KEYS: order, owners.
-- ARGV: body prefix, resource ('' for any), first µs, last µs ('' for open), "asc" or "desc",
-- µs of the last message seen ('' for none), skip, take (-1 for all), "bodies", "rows" or "dates",
-- ids of the messages seen at that µs, the last one first.
-- Returns {total in range, bodies, {id, score, …}}, without the last of "bodies"; {total, {created_at
-- µs, …}, {id, score, …}} of "dates". Bodies are lists of {nil, body or nil, …}. Or returns {-1} where
-- messages of several resources are mixed and each must be looked at. Cost: O(log n + take).

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

local low, high = dated(order, bodies, card, ARGV[3], ARGV[4])
local total = math.max(0, high - low)
if ARGV[6] ~= '' then
  local ids = {unpack(ARGV, 10)}
  low, high = unseen(order, bodies, low, high, tonumber(ARGV[6]), ids, descending)
end
local skip, take = tonumber(ARGV[7]), tonumber(ARGV[8])
local n = math.max(0, high - low - skip)
if take >= 0 then n = math.min(n, take) end
if n == 0 then return {total, {}, {}} end
local first = descending and card - high + skip or low + skip
local command = descending and 'ZREVRANGE' or 'ZRANGE'
local last = first + n - 1

-- The replies to MGET, some thousand bodies each. With the order, which is here: where only a single
-- key is missing, as its slot is on its way here from another node, that would be no error.
local function read_bodies(ids)
  local replies = {}
  for i = 1, #ids do ids[i] = bodies .. ids[i] end
  chunks(ids, function(...) replies[#replies + 1] = redis.call('MGET', order, ...) end)
  return replies
end

if ARGV[9] == 'bodies' then return {total, read_bodies(redis.call(command, order, first, last))} end
local marks, ids, dates = redis.call(command, order, first, last, 'WITHSCORES'), {}, {}
for i = 1, #marks, 2 do ids[#ids + 1] = marks[i] end
if ARGV[9] == 'rows' then return {total, read_bodies(ids), marks} end
for i, id in ipairs(ids) do dates[i] = whole(created_us(bodies, id, marks[2 * i])) end
return {total, dates, marks}
