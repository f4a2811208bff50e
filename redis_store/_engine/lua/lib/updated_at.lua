--- @include "lib/json"   field_span
--- @include "lib/time"   to_us, to_iso, digits
-- A thread's updated_at, which moves strictly ahead with each write.

-- Advance it to now, or by 1 µs if it is now or later, and store the record. Returns it in µs.
local function advance_updated_at(name, record, us, iso)
  local first, last = field_span(record, 'updatedAt')
  local before = first and string.sub(record, first + 1, last - 1)
  -- Dates of equal length compare as text, so the usual case parses none.
  local before_us = before and (#before ~= #iso or before >= iso) and to_us(before)
  if before_us and before_us >= tonumber(us) then
    us, iso = digits(before_us + 1), to_iso(before_us + 1)
  end
  local head = string.sub(record, 1, first or -2) .. (first and '' or ',"updatedAt":"')
  redis.call('SET', name, head .. iso .. (last and string.sub(record, last) or '"}'), 'KEEPTTL')
  return us
end
