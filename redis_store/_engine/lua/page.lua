--- @include "lib/newest"     descending
--- @include "lib/chunks"     in_chunks
--- @include "lib/time"       digits
--- @include "lib/timeline"   created_us, rank
-- Read one window of a thread's messages. Cost: O(log n + take).
-- KEYS: 1 timeline, 2 counts.
-- ARGV: 1 body prefix, 2 resource id ('' for any), 3 first and 4 last date in µs ('' for open),
-- 5 'asc' or 'desc', 6 how many to skip, 7 how many to take (-1 for all), 8 'bodies', 'rows' or
-- 'dates'. With a cursor, 9 its date in µs, 10 'follows' or 'precedes', 11 how ZCOUNT finds it if
-- none of its messages is left, 12… ids of messages of that date that it follows or precedes, the
-- nearest first, so that it is found although some of them are deleted.
-- Returns one of the following, where total counts the messages in the range of dates, and passed
-- those of them before the window:
--   {total, passed, bodies, {score of the first, score of the last}} for 'bodies'; the bodies are a
--     list of replies to MGET, each {nil, body or nil, …}; the scores are left out for all messages;
--   {total, passed, bodies, {id, score, …}} for 'rows';
--   {total, passed, {created_at in µs, …}, {id, score, …}} for 'dates';
--   {total, passed, {}, {}} if the window is empty;
--   {-1} if the thread holds messages of several resources, so that the caller must read each.

local timeline, counts, prefix, resource = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

-- Return how many of `card` messages come before the range of dates, and how many before its end.
local function ranks_of_dates(card, first, last)
  local low = first ~= '' and rank(timeline, prefix, tonumber(first) - 1) or 0
  local high = last ~= '' and rank(timeline, prefix, tonumber(last)) or card
  return low, high
end

-- Return how many messages are older than the cursor: up to the nearest of its messages that still
-- has its date, else, within that date, up to a score.
local function cursor_rank(us, follows, bound, ids)
  for _, id in ipairs(ids) do
    local at = redis.call('ZRANK', timeline, id)
    if at and created_us(prefix, id, us) == us then return follows and at + 1 or at end
  end
  local at = redis.call('ZCOUNT', timeline, '-inf', bound)
  return math.max(rank(timeline, prefix, us - 1), math.min(at, rank(timeline, prefix, us)))
end

-- Read bodies, each MGET with the timeline's key: if one of several keys has migrated to another
-- node, MGET fails; a single key that has migrated would read as missing.
local function read_bodies(ids)
  local replies = {}
  for i = 1, #ids do ids[i] = prefix .. ids[i] end
  in_chunks(ids, function(...) replies[#replies + 1] = redis.call('MGET', timeline, ...) end)
  return replies
end

local card = redis.call('ZCARD', timeline)
if resource ~= '' and card > 0 then
  local fields, mine, all = redis.call('HGETALL', counts), 0, 0
  for i = 1, #fields, 2 do
    all = all + fields[i + 1]
    if fields[i] == resource then mine = tonumber(fields[i + 1]) end
  end
  -- If the sum is wrong, a writer that does not count, such as Mastra, has been here.
  if all == card and mine == 0 then card = 0 elseif all ~= card or mine ~= card then return {-1} end
end
if card == 0 then return {0, 0, {}, {}} end

local low, high = ranks_of_dates(card, ARGV[3], ARGV[4])
local total, passed = math.max(0, high - low), tonumber(ARGV[6])
if ARGV[9] then
  local at = cursor_rank(tonumber(ARGV[9]), ARGV[10] == 'follows', ARGV[11], {unpack(ARGV, 12)})
  passed = passed + math.max(0, descending and high - at or at - low)
end
passed = math.min(passed, total)
local n, take = total - passed, tonumber(ARGV[7])
if take >= 0 then n = math.min(n, take) end
if n == 0 then return {total, passed, {}, {}} end
local first = (descending and card - high or low) + passed
local command = descending and 'ZREVRANGE' or 'ZRANGE'
local last = first + n - 1

if ARGV[8] == 'bodies' then
  local ids, ends = redis.call(command, timeline, first, last), {}
  if n < total then
    for i, id in ipairs({ids[1], ids[n]}) do ends[i] = redis.call('ZSCORE', timeline, id) end
  end
  return {total, passed, read_bodies(ids), ends}
end
local scored_ids, ids, dates = redis.call(command, timeline, first, last, 'WITHSCORES'), {}, {}
for i = 1, #scored_ids, 2 do ids[#ids + 1] = scored_ids[i] end
if ARGV[8] == 'rows' then return {total, passed, read_bodies(ids), scored_ids} end
for i, id in ipairs(ids) do dates[i] = digits(created_us(prefix, id, scored_ids[2 * i])) end
return {total, passed, dates, scored_ids}
