-- An API key, touched where that is due. KEYS: 1 its record. ARGV: 1 now, 2 how old a use must be for the next one to be
-- written down, in ms. Its fields, or nothing.

local now, touch_after = tonumber(ARGV[1]), tonumber(ARGV[2])
local field = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'revoked', 'last_used')
if not field[1] then
  return false
end
-- ApiKeyRecord::check and ApiKeyRecord::is_stale. What is no number was written by somebody else, and whoever reads it
-- finds out.
local is_good = not field[3] and (not field[2] or now < (tonumber(field[2]) or 0))
local is_stale = not field[4] or now >= (tonumber(field[4]) or math.huge) + touch_after
if is_good and is_stale then
  redis.call('HSET', KEYS[1], 'last_used', ARGV[1])
end
return redis.call('HGETALL', KEYS[1])
