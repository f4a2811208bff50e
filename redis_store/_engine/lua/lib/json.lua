-- Top-level string fields of a JSON object, found without decoding it: cjson would turn [] into {}
-- and round large integers. Cost: one match per field if the field and all before it are strings
-- without escapes, or if it is such a string and the last field; else one scan up to the field,
-- from quote to bracket to quote.

-- Return the position of the quote that closes the string opened at `at`, or nil.
local function closing_quote(json, at)
  at = string.find(json, '["\\]', at + 1)
  while at and string.byte(json, at) == 92 do at = string.find(json, '["\\]', at + 2) end
  return at
end

-- Find a field anywhere. Only keys at depth 1 count: a nested object, or a string, may hold the
-- same name.
local function span_by_scan(json, name)
  local depth, at, expects_key = 0, string.find(json, '["{}%[%],]'), false
  while at do
    local byte = string.byte(json, at)
    if byte == 34 then
      local close = closing_quote(json, at)
      if not close then return nil end
      if depth == 1 and expects_key and string.sub(json, at + 1, close - 1) == name then
        local first = string.match(json, '^%s*:%s*()"', close + 1)
        return first, first and closing_quote(json, first)
      end
      at, expects_key = close, false
    elseif byte == 123 or byte == 91 then
      depth = depth + 1
      expects_key = depth == 1
    elseif byte == 125 or byte == 93 then
      depth = depth - 1
    else
      expects_key = depth == 1
    end
    at = string.find(json, '["{}%[%],]', at + 1)
  end
end

-- Find a field if all fields before it are strings without escapes.
local function span_at_start(json, name)
  local at = 2
  repeat
    local key, first, last, after = string.match(json, '^"([^"\\]*)":()"[^"\\]*()",?()', at)
    if key == name then return first, last end
    at = after
  until not at
end

-- Find the last field. A match ends with the object's own brace, so the field is at its top level.
local function span_at_end(json, name)
  local tail = math.max(0, #json - 64)
  local first, last = string.match(string.sub(json, tail + 1), ',"' .. name .. '":()"[^"\\]*()"}$')
  if first then return tail + first, tail + last end
end

-- Return the first and last byte of a field's value, quotes included; nil unless it is a string.
local function field_span(json, name)
  local first, last = span_at_start(json, name)
  if not first then first, last = span_at_end(json, name) end
  if not first then first, last = span_by_scan(json, name) end
  return first, last
end

-- Return a field's value as text; nil unless it is a string.
local function string_field(json, name)
  local first, last = field_span(json, name)
  if not first or not last then return nil end
  local raw = string.sub(json, first + 1, last - 1)
  if not string.find(raw, '\\', 1, true) then return raw end
  local ok, list = pcall(cjson.decode, '["' .. raw .. '"]')
  return ok and list[1] or raw
end
