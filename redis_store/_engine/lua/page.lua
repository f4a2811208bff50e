--- @include "lib/chunks"     in_chunks
--- @include "lib/time"       digits
--- @include "lib/timeline"   created_us, rank
-- Read one window of a thread's messages. Cost: O(log n + take).
-- KEYS: 1 timeline, 2 counts.
-- ARGV: 1 body prefix, 2 resource id ('' for any), 3 first and 4 last date in µs ('' for open),
-- 5 'asc' or 'desc', 6 date of the cursor in µs ('' for none), 7 how many to skip, 8 how many to
-- take (-1 for all), 9 'bodies', 'rows' or 'dates', 10… ids of the cursor: messages of that date
-- that were returned, newest first, so that iteration resumes although some of them are deleted.
-- Returns one of the following, where total counts the messages in the range of dates:
--   {total, bodies} for 'bodies': a list of replies to MGET, each {nil, body or nil, …};
--   {total, bodies, {id, score, …}} for 'rows';
--   {total, {created_at in µs, …}, {id, score, …}} for 'dates';
--   {total, {}, {}} if the window is empty;
--   {-1} if the thread holds messages of several resources, so that the caller must read each.

local timeline, counts, prefix, resource = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local descending = ARGV[5] == 'desc'

-- Return how many of `card` messages come before the range of dates, and how many before its end.
local function ranks_of_dates(card, first, last)
  local low = first ~= '' and rank(timeline, prefix, tonumber(first) - 1) or 0
  local high = last ~= '' and rank(timeline, prefix, tonumber(last)) or card
  return low, high
end

-- Return the rank of the first of the cursor's messages that still has the cursor's date, or nil.
local function cursor_rank(us, ids)
  for _, id in ipairs(ids) do
    local at = redis.call('ZRANK', timeline, id)
    if at and created_us(prefix, id, us) == us then return at end
  end
end

-- Narrow the ranks low .. high - 1 to those past the cursor. Without any of its messages, that is
-- from its date on: other messages of that date may be returned twice, but none is skipped.
local function ranks_behind(low, high, us, ids)
  local at = cursor_rank(us, ids)
  if descending then return low, math.min(high, at or rank(timeline, prefix, us)) end
  return math.max(low, at and at + 1 or rank(timeline, prefix, us - 1)), high
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
if card == 0 then return {0, {}, {}} end

local low, high = ranks_of_dates(card, ARGV[3], ARGV[4])
local total = math.max(0, high - low)
if ARGV[6] ~= '' then low, high = ranks_behind(low, high, tonumber(ARGV[6]), {unpack(ARGV, 10)}) end
local skip, take = tonumber(ARGV[7]), tonumber(ARGV[8])
local n = math.max(0, high - low - skip)
if take >= 0 then n = math.min(n, take) end
if n == 0 then return {total, {}, {}} end
local first = descending and card - high + skip or low + skip
local command = descending and 'ZREVRANGE' or 'ZRANGE'
local last = first + n - 1

if ARGV[9] == 'bodies' then
  return {total, read_bodies(redis.call(command, timeline, first, last))}
end
local scored_ids, ids, dates = redis.call(command, timeline, first, last, 'WITHSCORES'), {}, {}
for i = 1, #scored_ids, 2 do ids[#ids + 1] = scored_ids[i] end
if ARGV[9] == 'rows' then return {total, read_bodies(ids), scored_ids} end
for i, id in ipairs(ids) do dates[i] = digits(created_us(prefix, id, scored_ids[2 * i])) end
return {total, dates, scored_ids}
