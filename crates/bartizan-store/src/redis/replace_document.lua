-- Replaces a document. KEYS: 1 the document. ARGV: 1 the version that it must have, or nothing where it must not be
-- there, 2 its new version, 3 its new body. 1 where it was replaced.

if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'body', ARGV[3])
return 1
