-- `owners` counts a thread's messages by resource id, so that a page of one resource need not read
-- them all.

-- Count messages that owners gained and lost. What is not counted at all stays so: other writers do
-- not count, and then readers look at each message.
local function recount(owners, gained, lost)
  for resource, n in pairs(lost) do
    local more = (gained[resource] or 0) - n
    if more ~= 0 and redis.call('HEXISTS', owners, resource) == 1 then
      redis.call('HINCRBY', owners, resource, more)
    end
  end
  for resource, n in pairs(gained) do
    if not lost[resource] then redis.call('HINCRBY', owners, resource, n) end
  end
end

-- Note the loss of a message.
local function lose(lost, body)
  local resource = text(body, 'resourceId')
  if resource then lost[resource] = (lost[resource] or 0) + 1 end
end
