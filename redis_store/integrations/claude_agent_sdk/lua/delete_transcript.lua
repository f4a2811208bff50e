-- Delete a transcript of a session, not the main one. Cost: O(1).
-- KEYS: 1 head, 2 entries, 3 ids.
-- ARGV: 1 subpath.
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HDEL', KEYS[1], 't:' .. ARGV[1])
return 1
