--- @include "lib/chunks"   in_chunks
--- @include "lib/lifetime_of_session"   extend_session
-- Append a batch of entries to a transcript, each that has an id once. Cost: O(entries).
-- KEYS: 1 head, 2 entries, 3 ids; in the plain layout, 4… the indexes that list the session.
-- ARGV: 1 now in ms, 2 lifetime in ms ('' for ever), 3 subpath ('' for the main transcript),
-- 4 mark of the batch ('' if each entry has an id), 5 the session's entry in indexes, 6 what names
-- the session if it is new, 7 what named it when its summary was made ('' if it was new), 8 how many
-- entries that summary covers, 9 the summary that covers these entries too, 10 start of the keys of
-- entries, 11 start of the keys of ids, 12… id ('' for none) and JSON of each entry in turn.
-- Returns, for the main transcript, {what names the session, how many entries its summary covers},
-- and if that is not all, or not known to the caller: the summary, the entries that it lacks.
local head, entries, ids = unpack(KEYS)
local now_ms, ttl_ms, subpath, mark, member, new_name = unpack(ARGV, 1, 6)
local known_name, known_count, summary, entries_start, ids_start = unpack(ARGV, 7, 11)

-- A key of another type fails here, before anything is written.
local before = redis.call('LLEN', entries)
local name, covered, updated = unpack(redis.call('HMGET', head, 'name', 'covered', 'updated'))
for i = 4, #KEYS do redis.call('ZCARD', KEYS[i]) end

local fresh = {}
if mark == '' or redis.call('HSETNX', ids, mark, '') == 1 then
  for i = 12, #ARGV, 2 do
    if ARGV[i] == '' or redis.call('HSETNX', ids, ARGV[i], '') == 1 then
      fresh[#fresh + 1] = ARGV[i + 1]
    end
  end
end

in_chunks(fresh, function(...) redis.call('RPUSH', entries, ...) end)
-- Dates never fall, so the entries in indexes, written with ZADD GT, agree with the head.
if updated and tonumber(updated) > tonumber(now_ms) then now_ms = updated end
redis.call('HSETNX', head, 'name', new_name)
redis.call('HSET', head, 'updated', now_ms, 't:' .. subpath, string.sub(entries, #entries_start + 1))
if subpath == '' then redis.call('HSET', head, 'mtime', now_ms) end
for i = 4, #KEYS do redis.call('ZADD', KEYS[i], 'GT', now_ms, member) end
if ttl_ms ~= '' then extend_session(head, entries_start, ids_start, ttl_ms) end
if subpath ~= '' then return {} end

-- The summary follows from the entries in their order, so it is right only if the caller had seen
-- all that came before, and all that it gave was stored.
local is_next = (name or '') == known_name and before == tonumber(known_count)
local is_whole = tonumber(covered or 0) == before and #fresh == (#ARGV - 11) / 2
if is_next and is_whole then
  redis.call('HSET', head, 'covered', before + #fresh, 'summary', summary)
  return {redis.call('HGET', head, 'name'), before + #fresh}
end
covered = covered or 0
return {
  redis.call('HGET', head, 'name'), tonumber(covered), redis.call('HGET', head, 'summary') or '',
  redis.call('LRANGE', entries, covered, -1),
}
