-- The usual save: new messages behind all others of their thread. It is tried before any function
-- is made, as that takes longer than the save; what is not usual goes on with the steps.
-- KEYS and ARGV: the word 'append', then the steps of `message_append.py` in its order, whose last
-- is `touch`. KEYS: 1 counts, 2 thread record, n message pointers, timeline, threads with messages
-- of the resource, the thread's two indexes by updated_at; the rest repeats these.
-- Cost: O(log n) per message. Returns {1}, as `commit.lua` does once everything is applied.

local arg_at = 0

if ARGV[1] == 'append' then
  arg_at = 1
  local KEYS, ARGV, call = KEYS, ARGV, redis.call
  local n, last = tonumber(ARGV[7]), #ARGV
  local owner, thread, prefix, us, iso = ARGV[5], ARGV[8], ARGV[13], ARGV[last - 3], ARGV[last - 2]
  local ids, dates, bodies = 15, 15 + n, 15 + 2 * n
  -- An owner whose JSON has escapes is not compared as text.
  local record = n <= 100 and not string.find(owner, '["\\]') and call('GET', KEYS[2])
  local head, first, after = '{"id":"' .. thread .. '","resourceId":"' .. owner .. '",', nil, nil
  if record and string.sub(record, 1, #head) == head then
    -- The record's last field, so it is at the top level. Dates of one length compare as text.
    first, after = string.match(record, ',"updatedAt":"()[^"\\]*()"}$', -64)
  end
  -- No message has the first date as its score, or a higher one: all of them are older.
  local usual = first and after - first == #iso and string.sub(record, first, after - 1) < iso
    and call('ZCOUNT', KEYS[3 + n], ARGV[dates + 1], '+inf') == 0
  local names, stored, scored = {}, {}, {}
  for i = 1, usual and n or 0 do
    local pointer, id, date = KEYS[2 + i], ARGV[ids + i], ARGV[dates + i]
    -- They ascend, so those that tie are neighbours.
    usual = usual and (i == 1 or date ~= ARGV[dates + i - 1])
    names[2 * i - 1], names[2 * i] = pointer, prefix .. id
    stored[4 * i - 3], stored[4 * i - 2] = pointer, thread
    stored[4 * i - 1], stored[4 * i] = prefix .. id, ARGV[bodies + i]
    scored[2 * i - 1], scored[2 * i] = date, id
  end
  if usual and call('EXISTS', unpack(names)) == 0 then
    -- If a key holds another type, one of these fails before anything is written.
    for i = 4 + n, 6 + n do call('ZCARD', KEYS[i]) end
    call('HINCRBY', KEYS[1], owner, ARGV[7])
    call('SET', KEYS[2], string.sub(record, 1, first - 1) .. iso .. '"}', 'KEEPTTL')
    call('MSET', unpack(stored))
    call('ZADD', KEYS[3 + n], unpack(scored))
    call('ZADD', KEYS[4 + n], 'GT', ARGV[dates + n], thread)
    call('ZADD', KEYS[5 + n], 'XX', us, thread)
    call('ZADD', KEYS[6 + n], 'XX', us, thread)
    return {1}
  end
end
