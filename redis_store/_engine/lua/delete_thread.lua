--- @include "lib/json"      string_field
--- @include "lib/removal"   drop_all
-- Delete a thread with its messages and their index entries, in the plain layout. Cost: O(n), 2 ms
-- per 1,000 messages.
-- KEYS: 1 thread record, 2 timeline, 3 counts, 4, 5 indexes of all threads.
-- ARGV: 1 body prefix, 2 message pointer prefix, 3 prefix of the lists of threads with messages of a
-- resource, 4, 5 prefixes of the owner's indexes, 6 thread id.
-- Returns 1; or 0 if nothing was deleted, as the record tells no owner: the caller must look at it.
-- Without a record, what is left of the thread goes.

local name, timeline, counts, thread = KEYS[1], KEYS[2], KEYS[3], ARGV[6]
local record = redis.call('GET', name)
local owner = record and string.sub(record, 1, 1) == '{' and string_field(record, 'resourceId')
if record and not owner then return 0 end

local listed = {}
if owner then listed = {KEYS[4], KEYS[5], ARGV[4] .. owner, ARGV[5] .. owner} end
for _, resource in ipairs(redis.call('HKEYS', counts)) do
  listed[#listed + 1] = ARGV[3] .. resource
end
-- These fail before anything is written if a key holds another type.
redis.call('ZCARD', timeline)
for _, entries in ipairs(listed) do redis.call('ZCARD', entries) end

drop_all(timeline, counts, ARGV[1], ARGV[2], thread)
redis.call('UNLINK', name)
for _, entries in ipairs(listed) do redis.call('ZREM', entries, thread) end
return 1
