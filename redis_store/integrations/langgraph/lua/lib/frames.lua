-- Return the header of a frame, and where its bytes start: see frames.py.
local function unframe(data)
  local size = struct.unpack('>I4', data)
  return cmsgpack.unpack(string.sub(data, 5, 4 + size)), 5 + size
end
