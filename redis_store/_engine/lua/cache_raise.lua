-- Raise a counter to a value, if it is lower or no number, and refresh its time to live.
-- Cost: O(1).
-- KEYS: 1 counter. ARGV: 1 value, 2 ttl in ms (0: never expires). Returns nothing.
if (tonumber(redis.call('GET', KEYS[1]) or '') or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
