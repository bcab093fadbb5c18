-- Forgets API keys that ended long ago. ARGV: 2 by when, 3 how many at most. How many it was.

local ended = redis.call('ZRANGEBYSCORE', by_end, '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ended) do
  local owner = redis.call('HGET', record_of(id), 'owner')
  if owner then
    redis.call('ZREM', index_of(owner), id)
  end
  redis.call('ZREM', by_id, id)
  redis.call('ZREM', by_end, id)
  redis.call('DEL', record_of(id))
end
return #ended
