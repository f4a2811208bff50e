--- @include "lib/frames"   unframe
-- A value's name is namespace, channel and version. Its field in the hash `data` is 'v\0' .. name if
-- it is whole; 'd\0' .. name if it is a delta, which is read first, as it is small.

local function delta_of(data, name) return redis.call('HGET', data, 'd\0' .. name) end

local function base_of(delta) return unframe(delta)[1] end

local function is_stored(data, name)
  return redis.call('HEXISTS', data, 'v\0' .. name) == 1
    or redis.call('HEXISTS', data, 'd\0' .. name) == 1
end

-- Append a value and all that it is based on to `out`, as field, bytes, …: back to one in `known`,
-- whose field is 'k\0' .. name, or in `seen`, which is in `out` already. Returns the bytes appended.
local function append_value(data, name, known, seen, out)
  local size = 0
  while name and not seen[name] do
    seen[name] = true
    local kind, bytes, base = 'd\0', delta_of(data, name), nil
    if known[name] and is_stored(data, name) then
      kind, bytes = 'k\0', ''
    elseif bytes then
      base = base_of(bytes)
    else
      kind, bytes = 'v\0', redis.call('HGET', data, 'v\0' .. name)
    end
    if bytes then
      out[#out + 1] = kind .. name
      out[#out + 1] = bytes
      size = size + #bytes
    end
    name = base
  end
  return size
end
