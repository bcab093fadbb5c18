-- Forgets sessions that have ended. ARGV: 2 now, 3 how many at most. How many it was.

local ended = redis.call('ZRANGEBYSCORE', by_end, '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(ended) do
  forget(key)
end
return #ended
