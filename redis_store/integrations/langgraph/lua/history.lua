--- @include "lib/checkpoints"   newest, read_record, writes_of, space_of
--- @include "lib/values"        is_stored, append_value
--- @include "lib/frames"        unframe
-- Walk from a checkpoint's parent to older ones until each channel has a stored value.
-- Cost: O(checkpoints walked, and their writes).
-- KEYS: 1 order, 2 writes, 3 data. ARGV: 1 namespace, 2 checkpoint id ('' for the newest), 3… channels.
-- Returns {{member, {member of a write, write, …}}, …} from the newest checkpoint on, with the
-- writes to channels that had no value yet; {channel, name of its value, …}; values.
local order, writes, data = unpack(KEYS)
local member = ARGV[1] .. '\0' .. ARGV[2]
if ARGV[2] == '' then member = newest(order, ARGV[1]) end
local missing, count = {}, #ARGV - 2
for i = 3, #ARGV do missing[ARGV[i]] = true end

local function writes_to_missing(at)
  local found = {}
  for _, write in ipairs(writes_of(writes, at)) do
    local bytes = redis.call('HGET', data, 'w\0' .. write)
    if missing[unframe(bytes)[2]] then
      found[#found + 1] = write
      found[#found + 1] = bytes
    end
  end
  return found
end

local steps, seeds, values, seen = {}, {}, {}, {}
local header = member and read_record(data, member)
while header and header[1] ~= '' and count > 0 do
  local space = space_of(member)
  member = space .. header[1]
  header = read_record(data, member)
  if header then
    steps[#steps + 1] = {member, writes_to_missing(member)}
    for _, value in ipairs(header[2]) do
      local channel, name = string.match(value, '^[^%z]*'), space .. value
      if missing[channel] and is_stored(data, name) then
        missing[channel], count = nil, count - 1
        seeds[#seeds + 1] = channel
        seeds[#seeds + 1] = name
        append_value(data, name, {}, seen, values)
      end
    end
  end
end
return {steps, seeds, values}
