--- @include "lib/counts"       count_lost, add_counts
--- @include "lib/json"         string_field
--- @include "lib/lifetime"     extend_lifetime
--- @include "lib/time"         to_us
--- @include "lib/updated_at"   advance_updated_at
-- Take the newest message off a thread, in the plain layout. Cost: O(log n).
-- KEYS: 1 thread record, 2 timeline, 3 counts, 4 index of all threads by updated_at.
-- ARGV: 1 body prefix, 2 message pointer prefix, 3 the same of the owner's index by updated_at,
-- 4 thread id, 5 now in µs, 6 now in ISO 8601, 7 ttl in ms (0: never expires).
-- Returns {id, score, resource id, body}; {} if there is no thread, or no message; or {id} if nothing
-- was taken, as record, body or pointer are not what they should be: the caller must look at them.

local name, timeline, counts, thread = KEYS[1], KEYS[2], KEYS[3], ARGV[4]
local record = redis.call('GET', name)
local newest = redis.call('ZRANGE', timeline, -1, -1, 'WITHSCORES')
local id, score = newest[1], newest[2]
if not record or not id then return {} end

local body, pointer = redis.call('GET', ARGV[1] .. id), ARGV[2] .. id

-- Whether JSON is likely to be a record: a client that cannot decode it must not have taken it.
local function is_record(json, fields, dates)
  local valid = json and string.sub(json, 1, 1) == '{' and string.sub(json, -1) == '}'
  for _, field in ipairs(fields) do valid = valid and string_field(json, field) end
  for _, field in ipairs(dates) do
    valid = valid and to_us(string_field(json, field) or '')
  end
  return valid
end

if not (
  is_record(record, {'id', 'resourceId'}, {'createdAt', 'updatedAt'})
  and is_record(body, {'id', 'threadId', 'resourceId', 'role'}, {'createdAt'})
  and redis.call('GET', pointer) == thread
) then
  return {id}
end

local by_update = {KEYS[4], ARGV[3] .. string_field(record, 'resourceId')}
-- These fail before anything is written if a key holds another type.
redis.call('HLEN', counts)
for _, key in ipairs(by_update) do redis.call('ZCARD', key) end

local us = advance_updated_at(name, record, ARGV[5], ARGV[6])
for _, key in ipairs(by_update) do redis.call('ZADD', key, 'XX', us, thread) end
local lost = {}
count_lost(lost, body)
add_counts(counts, {}, lost)
redis.call('ZREM', timeline, id)
redis.call('UNLINK', ARGV[1] .. id, pointer)
if ARGV[7] ~= '0' then
  extend_lifetime(name, timeline, counts, ARGV[1], ARGV[2], tonumber(ARGV[7]), {})
end
return {id, score, string_field(body, 'resourceId'), body}
