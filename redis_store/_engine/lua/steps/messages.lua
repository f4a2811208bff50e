--- @include "lib/chunks"       in_chunks
--- @include "lib/counts"       count_lost, add_counts
--- @include "lib/insertion"    insert
--- @include "lib/json"         string_field
--- @include "lib/time"         to_us, digits
--- @include "lib/timeline"     rank
--- @include "steps/protocol"   writes, key, arg, number, skip
-- The steps that write a thread's messages: bodies, timeline and counts. In their local functions,
-- `ids`, `dates` and `bodies` are the positions in ARGV before the n ids, dates and bodies.

-- Return the scores of n messages, false for those that have none; and whether any has one.
local function scores_of(timeline, ids, n)
  local scores, any = {}, false
  in_chunks(ARGV, function(...)
    for _, score in ipairs(redis.call('ZMSCORE', timeline, ...)) do
      scores[#scores + 1], any = score, any or score
    end
  end, ids + 1, ids + n)
  return scores, any
end

-- How this library and Mastra begin a message's record: all fields that decide its place and its
-- count, each a string without escapes.
local head = '^{"id":"[^"\\]*","threadId":"[^"\\]*","resourceId":"([^"\\]*)","role":"[^"\\]*",'
  .. '"type":"[^"\\]*","createdAt":"[^"\\]*","content":'

-- Count a stored message that is overwritten, and return whether its date is `us`. `owner` is the
-- resource of the new one, if known without looking.
local function count_overwritten(lost, old, new, us, owner)
  local resource = old == new and owner
  if not resource then
    -- Comparing what they begin with takes a third of the time of parsing the old one's fields.
    local _, last, named = string.find(new, head)
    resource = last and string.sub(old, 1, last) == string.sub(new, 1, last) and named
  end
  if not resource then
    count_lost(lost, old)
    return to_us(string_field(old, 'createdAt') or '') == us
  end
  lost[resource] = (lost[resource] or 0) + 1
  return true
end

-- Store bodies, some of them in place of others. Returns the ids and dates of the messages to
-- insert: those without a score, or whose stored date is another one.
local function overwrite(timeline, prefix, scores, lost, owner, ids, dates, bodies, n)
  local names, unplaced_ids, unplaced_dates, i = {}, {}, {}, 0
  for at = 1, n do names[at] = prefix .. ARGV[ids + at] end
  in_chunks(names, function(...)
    for _, old in ipairs(redis.call('MGET', ...)) do
      i = i + 1
      local us, new = tonumber(ARGV[dates + i]), ARGV[bodies + i]
      -- Whoever saves a whole thread again writes only what has changed.
      if old ~= new then redis.call('SET', names[i], new, 'KEEPTTL') end
      local has_date = old and count_overwritten(lost, old, new, us, owner)
      if not (scores[i] and has_date) then
        -- Removed before `insert` counts ranks: it must not meet a message that it is to place.
        if scores[i] then redis.call('ZREM', timeline, ARGV[ids + i]) end
        unplaced_ids[#unplaced_ids + 1], unplaced_dates[#unplaced_dates + 1] = ARGV[ids + i], us
      end
    end
  end)
  return unplaced_ids, unplaced_dates
end

-- Store messages after all others, the last of which has `score`. Two variadic commands take a
-- seventh of the time of two for each message.
local function append(timeline, prefix, score, ids, dates, bodies, n)
  local zadd_args, mset_args = {}, {}
  for i = 1, n do
    local id, date = ARGV[ids + i], ARGV[dates + i]
    local us = tonumber(date)
    -- Ties are pushed up, so that scores rise strictly: see `lib/timeline`.
    if us <= score then us, date = score + 1, digits(score + 1) end
    score = us
    zadd_args[2 * i - 1], zadd_args[2 * i] = date, id
    mset_args[2 * i - 1], mset_args[2 * i] = prefix .. id, ARGV[bodies + i]
  end
  in_chunks(mset_args, function(...) redis.call('MSET', ...) end)
  in_chunks(zadd_args, function(...) redis.call('ZADD', timeline, ...) end)
end

-- Store messages, each at its place in the timeline, and count them by resource.
-- KEYS: timeline, counts. ARGV: body prefix, n, m, n ids, n dates (created_at in µs, ascending),
-- n bodies, m times (resource id, how many of the n have it).
function writes.put_messages()
  local timeline, counts, prefix, n, m = key(), key(), arg(), number(), number()
  local ids, dates, bodies = skip(n), skip(n), skip(n)
  local gained, lost = {}, {}
  local owner = m == 1 and ARGV[bodies + n + 1]
  for _ = 1, m do gained[arg()] = number() end
  local oldest = tonumber(ARGV[dates + 1])
  local last = tonumber(redis.call('ZRANGE', timeline, -1, -1, 'WITHSCORES')[2] or '-inf')
  local scores, any = scores_of(timeline, ids, n)
  -- Append only if none of them is stored, and none is older than a stored message. A last score
  -- above `oldest` does not prove that one is, as ties are pushed up: rank compares dates.
  if any or last >= oldest and rank(timeline, prefix, oldest) < redis.call('ZCARD', timeline) then
    local unplaced = {overwrite(timeline, prefix, scores, lost, owner, ids, dates, bodies, n)}
    insert(timeline, prefix, unpack(unplaced))
  else
    append(timeline, prefix, last, ids, dates, bodies, n)
  end
  add_counts(counts, gained, lost)
end

-- Remove messages.
-- KEYS: timeline, counts. ARGV: body prefix, n, n ids. Reply: how many existed.
function writes.drop_messages()
  local timeline, counts, prefix, existed, lost = key(), key(), arg(), 0, {}
  for _ = 1, number() do
    local id = arg()
    local body = redis.call('GET', prefix .. id)
    if body then count_lost(lost, body) end
    existed = existed + redis.call('DEL', prefix .. id)
    redis.call('ZREM', timeline, id)
  end
  add_counts(counts, {}, lost)
  return existed
end
