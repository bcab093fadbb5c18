-- Keeps an API key. ARGV: 2 its id, 3 its owner, 4 its MAC, 5 when it ends or nothing; then its fields and their values.
-- 1 where its id was free, or it is kept already.

local known = redis.call('HGET', record_of(ARGV[2]), 'mac')
if known then
  return known == ARGV[4] and 1 or 0
end
put(ARGV[2], ARGV[3], ARGV[5], 6)
return 1
