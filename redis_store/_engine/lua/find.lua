-- Find messages by id, in the plain layout. KEYS: n message indexes. ARGV: what precedes a thread's id
-- in the key of its record, of a message (and what follows it there), and of its order (and what
-- follows it), 1 to read the bodies too, 1 to read the threads' records too, n ids.
-- Returns {{thread, body, score of each, or nil, …}, {thread, its record, …}}. Cost: O(log n) each.

local record, body, id_follows, order, order_ends = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local found, records, known = {}, {}, {}

-- nil where another type is stored.
local function text_at(key) return redis.call('MGET', key)[1] end

for first = 1, #KEYS, 4000 do
  local threads = redis.call('MGET', unpack(KEYS, first, math.min(first + 3999, #KEYS)))
  for i, thread in ipairs(threads) do
    local at, id = #found, ARGV[6 + first + i]
    found[at + 1], found[at + 2], found[at + 3] = thread, false, false
    if thread then
      if ARGV[6] == '1' then found[at + 2] = text_at(body .. thread .. id_follows .. id) end
      found[at + 3] = redis.call('ZSCORE', order .. thread .. order_ends, id)
      if ARGV[7] == '1' and not known[thread] then
        known[thread] = true
        records[#records + 1], records[#records + 2] = thread, text_at(record .. thread)
      end
    end
  end
end
return {found, records}
