-- The usual page: so many messages from a rank on, of any date and resource. It is read before any
-- function is made, as `lib/append` does. KEYS, ARGV and reply are those of `page.lua`.

local descending = ARGV[5] == 'desc'

if ARGV[2] .. ARGV[3] .. ARGV[4] == '' and ARGV[8] == 'bodies' and not ARGV[9] then
  local call, timeline, skip, take = redis.call, KEYS[1], tonumber(ARGV[6]), tonumber(ARGV[7])
  local total, ids, ends = call('ZCARD', timeline), {}, {}
  if take >= 0 and take <= 1000 and skip < total then
    ids = call(descending and 'ZREVRANGE' or 'ZRANGE', timeline, skip, skip + take - 1)
  end
  local n = #ids
  if n > 0 then
    if n < total then
      ends = {call('ZSCORE', timeline, ids[1]), call('ZSCORE', timeline, ids[n])}
    end
    for i = 1, n do ids[i] = ARGV[1] .. ids[i] end
    return {total, skip, {call('MGET', timeline, unpack(ids))}, ends}
  end
end
