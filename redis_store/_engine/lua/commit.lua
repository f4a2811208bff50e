--- @include "lib/append"         arg_at
--- @include "steps/conditions"   conflicts, is_zset, is_hash, declare_keys, declare_messages
--- @include "steps/conditions"   expect, expect_digest, expect_fingerprint, expect_present
--- @include "steps/conditions"   expect_owner, expect_no_other_owner, expect_field, expect_score
--- @include "steps/conditions"   unclaimed
--- @include "steps/values"       claim, set_strings, splice, splice_in_place, delete, command
--- @include "steps/messages"     put_messages, drop_messages
--- @include "steps/record"       create_thread, set_resource, drop_all_messages, touch
--- @include "steps/record"       extend
--- @include "steps/logs"         append_log
--- @include "steps/protocol"     conditions, writes, arg
-- Apply all of a list of steps, or refuse it. Cost: O(log n) per message; no scan.
-- KEYS: the KEYS of each step in turn. ARGV: of each step its name, then its ARGV; before them, if
-- they are those of a usual save, the word 'append'.
-- Conditions come before writes, as Redis rolls nothing back; of the plain writes, those that may
-- need memory before those that delete, so that an OOM error finds nothing written.
-- Returns {1, reply, …}, of the steps that have one; or {0, key, value or nil, …} if refused: the
-- keys that conflicted, with their current values.

local replies = {1}
while arg_at < #ARGV do
  local step = arg()
  if conditions[step] then
    conditions[step]()
  elseif conflicts[2] then
    return conflicts
  else
    replies[#replies + 1] = writes[step]()
  end
end
return conflicts[2] and conflicts or replies
