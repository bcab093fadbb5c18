-- A document. KEYS: 1 the document. Its version and its body, or nothing twice.

return redis.call('HMGET', KEYS[1], 'version', 'body')
