--- @include "lib/time"   floor
-- Read one window of a sorted set that lists records. Cost: O(log n + take).
-- KEYS: 1 sorted set.
-- ARGV: 1 score and 2 member of the record that the cursor is next to, 3 'follows' or 'precedes' it
-- in ascending order, 4 'asc' or 'desc', 5 how many to take (-1 for all).
-- Returns {cardinality, how many entries come before the window, {member, score, …}}.

local index, score, member, follows = KEYS[1], ARGV[1], ARGV[2], ARGV[3] == 'follows'
local descending, take = ARGV[4] == 'desc', tonumber(ARGV[5])

-- Compare bytes, as a sorted set does: the operator `<` depends on the server's locale.
local function is_less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- By bisection, as the record may be gone, and any number of entries may have its score.
local low = redis.call('ZCOUNT', index, '-inf', '(' .. score)
local high = low + redis.call('ZCOUNT', index, score, score)
while low < high do
  local at = floor((low + high) / 2)
  local other = redis.call('ZRANGE', index, at, at)[1]
  if is_less(other, member) or (follows and other == member) then low = at + 1 else high = at end
end

local card = redis.call('ZCARD', index)
local passed = descending and card - low or low
local n = card - passed
if take >= 0 then n = math.min(n, take) end
if n == 0 then return {card, passed, {}} end
local command = descending and 'ZREVRANGE' or 'ZRANGE'
return {card, passed, redis.call(command, index, passed, passed + n - 1, 'WITHSCORES')}
