-- A vector is the field 'v:' .. path of its item; in the hash `codes` is its sign code, under the
-- item's key, NUL and path.

local function drop_vectors(item, codes, key)
  for _, field in ipairs(redis.call('HKEYS', item)) do
    if string.sub(field, 1, 2) == 'v:' then
      redis.call('HDEL', item, field)
      redis.call('HDEL', codes, key .. '\0' .. string.sub(field, 3))
    end
  end
end
