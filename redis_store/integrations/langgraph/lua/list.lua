--- @include "lib/checkpoints"   row
-- Read checkpoints, as many as fit, at least one. Cost: that of their bytes; a value that several
-- are based on is read once.
-- KEYS: 1 writes, 2 data. ARGV: 1 how many bytes fit, 2… members of the order.
-- Returns {rows, values}: see lib/checkpoints.lua. A checkpoint that is gone is nil.
local rows, values, seen, left = {}, {}, {}, tonumber(ARGV[1])
for i = 2, #ARGV do
  local found, size = row(KEYS[1], KEYS[2], ARGV[i], {}, seen, values)
  rows[#rows + 1] = found
  left = left - size
  if left <= 0 then break end
end
return {rows, values}
