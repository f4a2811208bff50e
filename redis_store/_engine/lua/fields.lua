-- Top-level string fields of a JSON object: one match for each leading field that is plain text, one
-- for a last field that is, and only else a scan.

-- The span of a field that only plain text precedes.
local function among_first(json, name)
  local at = 2
  repeat
    local key, first, last, after = string.match(json, '^"([^"\\]*)":()"[^"\\]*()",?()', at)
    if key == name then return first, last end
    at = after
  until not at
end

-- The span of the last field: its value and the brace behind it end the object.
local function at_end(json, name)
  local tail = math.max(0, #json - 64)
  local first, last = string.match(string.sub(json, tail + 1), ',"' .. name .. '":()"[^"\\]*()"}$')
  if first then return tail + first, tail + last end
end

-- The first and last byte of a field's value, quotes included; nil unless it is a string.
local function span(json, name)
  local first, last = among_first(json, name)
  if not first then first, last = at_end(json, name) end
  if not first then first, last = anywhere(json, name) end
  return first, last
end

-- A field's value as text, or nil.
local function text(json, name)
  local first, last = span(json, name)
  if not first or not last then return nil end
  local raw = string.sub(json, first + 1, last - 1)
  if not string.find(raw, '\\', 1, true) then return raw end
  local ok, list = pcall(cjson.decode, '["' .. raw .. '"]')
  return ok and list[1] or raw
end
