--- @include "lib/lifetime_of_session"   extend_session
-- Extend the lifetime of a session. Cost: O(transcripts).
-- KEYS: 1 head.
-- ARGV: 1 start of the keys of entries, 2 start of the keys of ids, 3 lifetime in ms.
extend_session(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1
