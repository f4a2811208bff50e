-- Call a function with the two keys of each transcript of a session: its entries and their ids. The
-- head names each transcript in a field "t:{subpath}", whose value is the end of both keys.
local function each_transcript(head, entries_start, ids_start, run)
  local fields = redis.call('HGETALL', head)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 't:' then
      run(entries_start .. fields[i + 1], ids_start .. fields[i + 1])
    end
  end
end
