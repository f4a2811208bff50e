-- Large strings, changed block by block: Lua takes ten times as long to copy one as a whole.

-- Move a stretch of a string, which ends before `last`, by `delta` bytes.
local function move(name, first, last, delta)
  -- Blocks go in the order in which none overwrites another that is yet to be moved.
  local from, to, step = first, last - 1, 65536
  if delta > 0 then from, to, step = last, first + 1, -65536 end
  for at = from, to, step do
    local low, high = at, math.min(at + 65536, last)
    if delta > 0 then low, high = math.max(at - 65536, first), at end
    redis.call('SETRANGE', name, low + delta, redis.call('GETRANGE', name, low, high - 1))
  end
end

-- Cut a string off at a length.
local function truncate(name, length)
  local blocks = {}
  for at = 0, length - 1, 65536 do
    blocks[#blocks + 1] = redis.call('GETRANGE', name, at, math.min(at + 65536, length) - 1)
  end
  redis.call('SET', name, '', 'KEEPTTL')
  for _, block in ipairs(blocks) do redis.call('APPEND', name, block) end
end
