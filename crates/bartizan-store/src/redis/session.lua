-- The session of a key, touched where that is due. ARGV: 2 key, 3 now. Its fields, or nothing.

local key, now = ARGV[2], tonumber(ARGV[3])
local session = read(key)
if not session or now >= session.ends then
  return false
end
-- SessionRecord::is_stale; TOUCH_AFTER is a minute.
if session.touched and now > session.touched
  and now >= session.touched + math.min(60000, math.floor(session.idle / 2)) then
  redis.call('HSET', record_of(key), 'touched', ARGV[3])
  keep(key, session.subject, math.min(session.expires, now + session.idle), now)
end
return redis.call('HGETALL', record_of(key))
