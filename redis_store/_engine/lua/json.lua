-- A top-level string field of a JSON object, found without decoding it: cjson would turn [] into {}
-- and round large integers. Cost: one scan up to the field, from quote to bracket to quote.

-- The position of the quote that closes the string opened at `at`, or nil.
local function closing_quote(json, at)
  at = string.find(json, '["\\]', at + 1)
  while at and string.byte(json, at) == 92 do at = string.find(json, '["\\]', at + 2) end
  return at
end

-- The span of a field wherever it is.
local function anywhere(json, name)
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
