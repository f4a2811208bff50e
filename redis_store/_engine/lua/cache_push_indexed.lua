-- Append an object to a list with its position as `index`, and refresh the list's time to live. The
-- position is the list's length, so the two always agree; a counter of positions that is behind is
-- raised. Cost: O(1).
-- KEYS: 1 list, 2 counter, absent if it is in another slot.
-- ARGV: 1 JSON object without index, 2 ttl in ms (0: never expires). Returns the index.
local index = redis.call('LLEN', KEYS[1])
local counted = KEYS[2] and tonumber(redis.call('GET', KEYS[2]) or '') or 0 -- fails over a list
local body = string.sub(ARGV[1], 1, -2)
redis.call('RPUSH', KEYS[1], body .. (body == '{' and '' or ',') .. '"index":' .. index .. '}')
if KEYS[2] and counted <= index then redis.call('SET', KEYS[2], index + 1, 'KEEPTTL') end
for _, key in ipairs(ARGV[2] ~= '0' and KEYS or {}) do redis.call('PEXPIRE', key, ARGV[2]) end
return index
