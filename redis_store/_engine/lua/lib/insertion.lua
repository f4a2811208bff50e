--- @include "lib/chunks"     in_chunks
--- @include "lib/time"       digits
--- @include "lib/timeline"   created_us, rank
-- Insertion of messages into a timeline. Not in `lib/timeline`, because `page.lua` does not need it
-- and every function of a script costs time at each run.

-- Iterate over ids and scores from a rank on. Nothing may be written to the timeline meanwhile.
local function scored_ids_from(timeline, at)
  local page, i, size = {}, 1, 4
  return function()
    if i > #page then
      page, i = redis.call('ZRANGE', timeline, at, at + size - 1, 'WITHSCORES'), 1
      at, size = at + size, math.min(size * 4, 1000)
    end
    i = i + 2
    return page[i - 2], tonumber(page[i - 1])
  end
end

-- Insert messages, in ascending order of their dates, each after all those of its date or earlier.
-- O(log n) for each message that is inserted or pushed up: one pass, however many dates tie.
local function insert(timeline, prefix, ids, dates)
  local zadd_args, i = {}, 1
  local function place(id, score)
    zadd_args[#zadd_args + 1], zadd_args[#zadd_args + 2] = digits(score), id
  end
  while ids[i] do
    local at = rank(timeline, prefix, dates[i])
    local before = at > 0 and redis.call('ZRANGE', timeline, at - 1, at - 1, 'WITHSCORES')
    local score = before and math.max(dates[i], tonumber(before[2]) + 1) or dates[i]
    place(ids[i], score)
    i = i + 1
    -- Merge the messages to insert with those stored after this rank, until a stored score is high
    -- enough to stay. Only past that gap may `rank` be asked again: up to there, scores have
    -- changed but are written at the end.
    local next_stored = scored_ids_from(timeline, at)
    local id, stored_score = next_stored()
    repeat
      local us, gap = dates[i], false
      -- The new message comes first if it is older than the stored one. That one's score, which is
      -- never below its date, decides most cases without reading its body.
      if us and (not id or us < stored_score and us < created_us(prefix, id, stored_score)) then
        score = math.max(us, score + 1)
        place(ids[i], score)
        i = i + 1
      elseif id and stored_score <= score then
        score = score + 1
        place(id, score)
        id, stored_score = next_stored()
      else
        gap = true
      end
    until gap
  end
  in_chunks(zadd_args, function(...) redis.call('ZADD', timeline, ...) end)
end
