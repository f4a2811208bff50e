--- @include "lib/lifetime"   extend_lifetime
-- Extend the lifetime of a thread that is read. Cost: that of `extend_lifetime`.
-- KEYS: 1 thread record, 2 timeline, 3 counts.
-- ARGV: 1 body prefix, 2 message pointer prefix ('' if pointers are in other slots), 3 ttl in ms.
-- Returns what `extend_lifetime` returns.
return extend_lifetime(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], tonumber(ARGV[3]))
