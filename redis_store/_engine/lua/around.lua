--- @include "lib/chunks"   in_chunks
-- Read messages of a thread with their neighbours. Cost: O(messages · (log n + neighbours)).
-- KEYS: 1 record, 2 timeline.
-- ARGV: 1 body prefix, 2 how many neighbours on either side, 3… message ids.
-- Returns {record or nil, {rank, id, …}, bodies}: each message once, by rank. The bodies are a list
-- of replies to MGET, each {nil, body or nil, …}.
local record, timeline, prefix, reach = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local wanted, ranks = {}, {}
for i = 3, #ARGV do
  local at = redis.call('ZRANK', timeline, ARGV[i])
  for rank = at and math.max(0, at - reach) or 1, at and at + reach or 0 do
    if not wanted[rank] then
      wanted[rank] = true
      ranks[#ranks + 1] = rank
    end
  end
end
table.sort(ranks)

local placed, keys, bodies = {}, {}, {}
for _, rank in ipairs(ranks) do
  local id = redis.call('ZRANGE', timeline, rank, rank)[1]
  if id then
    placed[#placed + 1], placed[#placed + 2] = rank, id
    keys[#keys + 1] = prefix .. id
  end
end
-- With the timeline's key, so that MGET fails if some keys have migrated to another node.
in_chunks(keys, function(...) bodies[#bodies + 1] = redis.call('MGET', timeline, ...) end)
return {redis.call('MGET', record, timeline)[1], placed, bodies}
