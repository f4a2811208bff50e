--- @include "lib/transcripts"   each_transcript
-- Delete a session with all its transcripts. Cost: O(transcripts).
-- KEYS: 1 head; in the plain layout, 2… the indexes that list the session.
-- ARGV: 1 start of the keys of entries, 2 start of the keys of ids, 3 the session's entry in indexes,
-- 4 the date that it must have been updated last ('' for any).
-- Returns 1, or 0 if there is no such session, or it has changed.
local head, entries_start, ids_start, updated_ms = KEYS[1], ARGV[1], ARGV[2], ARGV[4]
local updated = redis.call('HGET', head, 'updated')
if not updated or (updated_ms ~= '' and updated ~= updated_ms) then return 0 end
for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[3]) end
each_transcript(head, entries_start, ids_start, function(...) redis.call('UNLINK', ...) end)
redis.call('UNLINK', head)
return 1
