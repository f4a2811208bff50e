-- Apply one operation whole, or refuse it whole. `transaction.py` writes KEYS and ARGV: the names
-- of steps, each with what it takes; the steps that check come first. Steps that may be refused
-- for want of memory come before those that delete, so that an OOM error finds nothing written.
-- Returns {1, result, …} of the steps that have one, or {0, key, value, …}: the refused keys and
-- what they hold now. Cost: O(log n) per message; no scan.

while arg_at < #ARGV do
  local step = arg()
  if checks[step] then
    checks[step]()
  elseif refused[2] then
    return refused
  else
    results[#results + 1] = writes[step]()
  end
end
return refused[2] and refused or results
