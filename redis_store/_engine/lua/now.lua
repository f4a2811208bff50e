-- Tell the server's time. Cost: O(1).
-- KEYS: 1 any key: it decides which node of a cluster is asked. ARGV: none.
-- Returns {seconds, microseconds} since 1970.
return redis.call('TIME')
