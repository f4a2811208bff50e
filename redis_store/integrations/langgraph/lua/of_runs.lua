--- @include "lib/checkpoints"   read_record
-- Find the checkpoints of runs. Cost: O(checkpoints of the thread).
-- KEYS: 1 order, 2 data. ARGV: run ids. Returns members of the order.
local wanted, found = {}, {}
for _, run in ipairs(ARGV) do wanted[run] = true end
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local header = read_record(KEYS[2], member)
  if header and wanted[header[3]] then found[#found + 1] = member end
end
return found
