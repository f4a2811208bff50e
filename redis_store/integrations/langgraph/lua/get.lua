--- @include "lib/checkpoints"   newest, row
-- Read one checkpoint. Cost: O(values, and what they are based on).
-- KEYS: 1 order, 2 writes, 3 data.
-- ARGV: 1 namespace, 2 checkpoint id ('' for the newest), 3… names of values that the caller knows.
-- Returns nil, or {row, values}: see lib/checkpoints.lua.
local order, writes, data = unpack(KEYS)
local member = ARGV[1] .. '\0' .. ARGV[2]
if ARGV[2] == '' then member = newest(order, ARGV[1]) end
if not member then return nil end
local known, values = {}, {}
for i = 3, #ARGV do known[ARGV[i]] = true end
local found = row(writes, data, member, known, {}, values)
return found and {found, values} or nil
