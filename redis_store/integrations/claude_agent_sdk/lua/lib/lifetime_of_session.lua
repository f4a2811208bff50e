--- @include "lib/transcripts"   each_transcript
-- Let all keys of a session expire together.
local function extend_session(head, entries_start, ids_start, ttl_ms)
  redis.call('PEXPIRE', head, ttl_ms)
  each_transcript(head, entries_start, ids_start, function(entries, ids)
    redis.call('PEXPIRE', entries, ttl_ms)
    redis.call('PEXPIRE', ids, ttl_ms)
  end)
end
