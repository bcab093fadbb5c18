-- Revokes an API key. ARGV: 2 its id, 3 now. 1 where it was there and not revoked before.

local field = redis.call('HMGET', record_of(ARGV[2]), 'mac', 'expires', 'revoked')
if not field[1] or field[3] then
  return 0
end
redis.call('HSET', record_of(ARGV[2]), 'revoked', ARGV[3])
end_at(ARGV[2], math.min(tonumber(field[2] or '') or math.huge, tonumber(ARGV[3])))
return 1
