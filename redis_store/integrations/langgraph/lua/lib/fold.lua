--- @include "lib/frames"   unframe
--- @include "lib/values"   delta_of, base_of

-- Return the pieces {string, first, last} of a value after the edits of a delta.
local function spliced(pieces, delta)
  local header, at = unframe(delta)
  local new, piece, skip = {}, 1, 0
  local function take(size, keeps)
    while size > 0 do
      local bytes, first, last = unpack(pieces[piece])
      local n = math.min(size, last - first + 1 - skip)
      if keeps then new[#new + 1] = {bytes, first + skip, first + skip + n - 1} end
      size, skip = size - n, skip + n
      if first + skip > last then piece, skip = piece + 1, 0 end
    end
  end
  for i = 4, #header, 3 do
    take(header[i], true)
    take(header[i + 1], false)
    local size = header[i + 2]
    if size > 0 then new[#new + 1] = {delta, at, at + size - 1} end
    at = at + size
  end
  for i = piece, #pieces do
    local bytes, first, last = unpack(pieces[i])
    new[#new + 1] = {bytes, first + (i == piece and skip or 0), last}
  end
  return new
end

-- Return the bytes of the value that a delta makes. Its pieces are put together once: to do so for
-- each delta that it is based on would copy the whole value as often.
local function fold(data, delta)
  local deltas = {}
  local name
  while delta do
    deltas[#deltas + 1] = delta
    name = base_of(delta)
    delta = delta_of(data, name)
  end
  local whole = redis.call('HGET', data, 'v\0' .. name)
  local pieces = {{whole, 1, #whole}}
  for i = #deltas, 1, -1 do pieces = spliced(pieces, deltas[i]) end
  for i, piece in ipairs(pieces) do pieces[i] = string.sub(unpack(piece)) end
  return table.concat(pieces)
end
