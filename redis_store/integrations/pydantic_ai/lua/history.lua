-- Read the newest entries of a history, back from its last one. Cost: O(entries read).
-- KEYS: 1 entries: by id, the id of the parent after its length in bytes and ":", then the message.
-- ARGV: 1 id of the last entry, 2 how many at most (-1 for all).
-- Returns id and value of each in turn, newest first; nil if one is missing.
local id, limit, found = ARGV[1], tonumber(ARGV[2]), {}
-- No history has an entry twice, so a circle, which only damage can make, ends here too.
local most = redis.call('HLEN', KEYS[1])
if limit >= 0 then most = math.min(most, limit) end
if most == 0 and limit ~= 0 then return nil end
while id ~= '' and #found < 2 * most do
  local value = redis.call('HGET', KEYS[1], id)
  if not value then return nil end
  found[#found + 1] = id
  found[#found + 1] = value
  local length = string.match(value, '^%d+')
  id = string.sub(value, #length + 2, #length + 1 + tonumber(length))
end
return found
