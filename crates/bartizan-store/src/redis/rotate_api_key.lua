-- Replaces an API key by another. ARGV: 2 the old one's id, 3 its MAC, 4 when it ended or nothing, 5 when it ends now;
-- 6 the new one's id, 7 its owner, 8 its MAC, 9 when it ends or nothing; then its fields and their values.
-- 1 where that was done, 0 where the old one is not what it was.

local old, new = ARGV[2], ARGV[6]
local field = redis.call('HMGET', record_of(old), 'mac', 'expires', 'revoked', 'replaced_by')
local taken = redis.call('HGET', record_of(new), 'mac')
if taken then
  -- Done before, by this very call, whose answer was lost.
  return taken == ARGV[8] and field[4] == new and 1 or 0
end
if field[1] ~= ARGV[3] or (field[2] or '') ~= ARGV[4] or field[3] or field[4] then
  return 0
end
put(new, ARGV[7], ARGV[9], 10)
redis.call('HSET', record_of(old), 'expires', ARGV[5], 'replaced_by', new)
end_at(old, tonumber(ARGV[5]))
return 1
