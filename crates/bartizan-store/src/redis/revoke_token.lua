-- Revokes a token, or all tokens of a key. KEYS: 1 which. ARGV: 1 until when that is remembered, 2 how long that is here, in ms.

if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 0
