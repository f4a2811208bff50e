--- Append an event to a stream, once for each token.
-- KEYS: stream.  ARGV: token, body, the most events to keep, TTL in ms.
-- Reply: the id of the entry.  O(1): a repeat finds its token among the last 64 entries.
local stream, token = KEYS[1], ARGV[1]
local id
for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 64)) do
  if entry[2][2] == token then
    id = entry[1]
  end
end
if not id then
  id = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[3], '*', 'token', token, 'body', ARGV[2])
end
redis.call('PEXPIRE', stream, ARGV[4])
return id
