-- Let a thread that is read live on. KEYS: record, order, owners. ARGV: body prefix, index prefix, ttl
-- in ms. Returns and costs what `lifetime.lua` says.
return keep_alive(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], tonumber(ARGV[3]))
