--- @include "lib/checkpoints"   read_record, space_of
--- @include "lib/values"        delta_of, base_of
-- Remove the values that no checkpoint needs any more. Cost: O(checkpoints and values of the thread).
-- KEYS: 1 order, 2 data.
local order, data = unpack(KEYS)
local needed, members = {}, redis.call('ZRANGE', order, 0, -1)
for _, member in ipairs(members) do
  local header, space = read_record(data, member), space_of(member)
  for _, name in ipairs(header and header[2] or {}) do
    name = space .. name
    while name and not needed[name] do
      needed[name] = true
      local delta = delta_of(data, name)
      name = delta and base_of(delta)
    end
  end
end
for _, field in ipairs(redis.call('HKEYS', data)) do
  local kind, name = string.sub(field, 1, 2), string.sub(field, 3)
  if (kind == 'v\0' or kind == 'd\0') and not needed[name] then redis.call('HDEL', data, field) end
end
-- The time of the last change stays with the last checkpoint, or write.
if #members == 0 and redis.call('HLEN', data) == 1 then redis.call('HDEL', data, 't') end
return 1
