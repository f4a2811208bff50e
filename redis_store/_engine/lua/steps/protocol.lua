--- @include "lib/append"   arg_at
-- The protocol of `commit.lua`: the tables that steps register in, and the readers of KEYS and
-- ARGV. A step must consume exactly what its builder in `steps.py` adds, even if it does nothing:
-- the next step reads on from there.

local conditions, writes = {}, {}

local key_at = 0

local function key() key_at = key_at + 1 return KEYS[key_at] end
local function arg() arg_at = arg_at + 1 return ARGV[arg_at] end
local function number() return tonumber(arg()) end

-- Skip n of ARGV, and return the position before them.
local function skip(n) arg_at = arg_at + n return arg_at - n end
