--- @include "lib/json"   string_field
-- A thread's counts of messages by resource id, a hash. With them a page of one resource need not
-- read all messages.

-- Count a message that is overwritten or removed.
local function count_lost(lost, body)
  local resource = string_field(body, 'resourceId')
  if resource then lost[resource] = (lost[resource] or 0) + 1 end
end

-- Add the messages gained and lost. A resource that loses messages but has no count gets none: its
-- messages are Mastra's, which counts none, and a page notices that the sum is wrong.
local function add_counts(counts, gained, lost)
  for resource, n in pairs(lost) do
    local more = (gained[resource] or 0) - n
    if more ~= 0 and redis.call('HEXISTS', counts, resource) == 1 then
      redis.call('HINCRBY', counts, resource, more)
    end
  end
  for resource, n in pairs(gained) do
    if not lost[resource] then redis.call('HINCRBY', counts, resource, n) end
  end
end
