-- KEYS and ARGV, read in turn by the steps of a commit.

local key_at, arg_at = 0, 0

local function key() key_at = key_at + 1 return KEYS[key_at] end
local function arg() arg_at = arg_at + 1 return ARGV[arg_at] end
local function number() return tonumber(arg()) end

-- Passes over n arguments; returns the position before them.
local function before(n) arg_at = arg_at + n return arg_at - n end
