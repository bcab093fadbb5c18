-- Uses a one-time token. KEYS: 1 the token. ARGV: 1 until when it is remembered, 2 now, 3 how long that is here, in ms.
-- 1 where it was fresh.

local used_until = tonumber(redis.call('GET', KEYS[1]) or 0)
if used_until > tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
