-- Fingerprints of strings, as `fingerprints.py` computes them. Cost: O(n), without a copy of the whole
-- value in Lua, which would take longer than hashing it.

-- Return the digest of the digests of a string's blocks; nil if it is missing or of another type.
local function fingerprint(name)
  local length, digests = tonumber(redis.pcall('STRLEN', name)) or 0, {}
  -- An empty string stands for itself. MGET: a key of another type reads as missing.
  if length == 0 then return redis.call('MGET', name)[1] end
  for at = 0, length - 1, 65536 do
    digests[#digests + 1] = redis.sha1hex(redis.call('GETRANGE', name, at, at + 65535))
  end
  return redis.sha1hex(table.concat(digests))
end
