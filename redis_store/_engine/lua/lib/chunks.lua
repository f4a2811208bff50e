-- Pass a list, or a part of it, to a function in chunks: Lua unpacks at most 8,000 values. Chunks
-- have an even length, so that none splits a pair.
local function in_chunks(list, run, first, last)
  last = last or #list
  for i = first or 1, last, 4000 do run(unpack(list, i, math.min(i + 3999, last))) end
end
