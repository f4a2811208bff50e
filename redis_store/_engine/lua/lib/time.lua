-- Conversions between ISO 8601 in UTC ("…Z") and epoch microseconds. Days follow Howard Hinnant's
-- "chrono-compatible low-level date algorithms". Doubles are exact to 2^53.

local floor = math.floor

-- Return a whole number as text: tostring() keeps 14 digits, and epoch µs have 16.
local function digits(number) return string.format('%.0f', number) end

-- Return a date's epoch µs; nil if the text is no such date.
local function to_us(iso)
  local y, m, d, hour, minute, second, fraction =
    string.match(iso, '^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.?(%d*)Z$')
  if not y then return nil end
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  if m <= 2 then y, m = y - 1, m + 12 end
  local days = 365 * y + floor(y / 4) - floor(y / 100) + floor(y / 400)
    + floor((153 * (m - 3) + 2) / 5) + d - 719469
  local micro = tonumber(string.sub(fraction .. '000000', 1, 6))
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + micro
end

-- Return epoch µs as a date with six digits of fraction, as `timestamps.iso` does.
local function to_iso(us)
  local second = floor(us / 1000000)
  local shifted = floor(second / 86400) + 719468
  local era = floor(shifted / 146097)
  local day = shifted - era * 146097
  local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
  day = day - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * day + 2) / 153)
  day = day - floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day,
    floor(second / 3600) % 24, floor(second / 60) % 60, second % 60, us % 1000000)
end
