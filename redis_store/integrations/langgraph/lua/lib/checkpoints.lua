--- @include "lib/frames"   unframe
--- @include "lib/values"   append_value
-- A member of the sorted set `order` is namespace, NUL, checkpoint id; its record is 'c\0' .. member
-- in the hash `data`. A member of the sorted set `writes` is such a member, NUL, task, NUL, index;
-- the write is 'w\0' .. member in `data`.

-- Return the newest member of a namespace, or nil.
local function newest(order, namespace)
  local first, last = '(' .. namespace .. '\1', '[' .. namespace .. '\0'
  return redis.call('ZREVRANGEBYLEX', order, first, last, 'LIMIT', 0, 1)[1]
end

-- Return a checkpoint's header {parent, channel and version of its values, run, …} and record.
local function read_record(data, member)
  local record = redis.call('HGET', data, 'c\0' .. member)
  if record then return unframe(record), record end
end

-- Return the members of a checkpoint's writes.
local function writes_of(writes, member)
  return redis.call('ZRANGEBYLEX', writes, '[' .. member .. '\0', '(' .. member .. '\1')
end

-- Return the namespace and its NUL, which start the names of its values.
local function space_of(member) return string.sub(member, 1, string.find(member, '%z')) end

-- Return {member, record, {member of a write, write, …}} and its bytes, or false; append its values
-- to `out`: see append_value.
local function row(writes, data, member, known, seen, out)
  local header, record = read_record(data, member)
  if not header then return false, 0 end
  local size, space = #record, space_of(member)
  for _, value in ipairs(header[2]) do
    size = size + append_value(data, space .. value, known, seen, out)
  end
  local found = {}
  for _, write in ipairs(writes_of(writes, member)) do
    local bytes = redis.call('HGET', data, 'w\0' .. write)
    found[#found + 1] = write
    found[#found + 1] = bytes
    size = size + #bytes
  end
  return {member, record, found}, size
end
