-- Find messages by id, in the plain layout. Cost: O(log n) each.
-- KEYS: n message pointers.
-- ARGV: the parts of keys around a thread id: 1 before it in a record's, 2 before and 3 after it in
-- a body's, 4 before and 5 after it in a timeline's; 6 '1' to read bodies, 7 '1' to read the
-- threads' records, 8… n message ids.
-- Returns {{thread id, body, score of each, or nil, …}, {thread id, its record or nil, …}}.

local record_prefix, body_prefix, body_infix = ARGV[1], ARGV[2], ARGV[3]
local timeline_prefix, timeline_suffix = ARGV[4], ARGV[5]
local found, records, known = {}, {}, {}

-- Return a string; nil if it is missing or another type.
local function string_at(key) return redis.call('MGET', key)[1] end

for first = 1, #KEYS, 4000 do
  local threads = redis.call('MGET', unpack(KEYS, first, math.min(first + 3999, #KEYS)))
  for i, thread in ipairs(threads) do
    local at, id = #found, ARGV[6 + first + i]
    found[at + 1], found[at + 2], found[at + 3] = thread, false, false
    if thread then
      local body = body_prefix .. thread .. body_infix .. id
      if ARGV[6] == '1' then found[at + 2] = string_at(body) end
      found[at + 3] = redis.call('ZSCORE', timeline_prefix .. thread .. timeline_suffix, id)
      if ARGV[7] == '1' and not known[thread] then
        known[thread] = true
        records[#records + 1], records[#records + 2] = thread, string_at(record_prefix .. thread)
      end
    end
  end
end
return {found, records}
