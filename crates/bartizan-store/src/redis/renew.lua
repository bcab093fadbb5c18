-- Gives a session a new key, if it is alive. ARGV: 2 the new key, 3 the old one, 4 when it ends if no request comes, 5 its
-- subject, 6 the time; then its fields and their values. 1 where it was done, 0 where nothing was.

local key, old, ends, subject, now = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local function is_alive(key)
  local session = read(key)
  return session and session.subject == subject and now < session.ends
end

if not is_alive(old) then
  -- What comes again was done.
  return is_alive(key) and 1 or 0
end

local fields = {}
for at = 7, #ARGV do
  fields[#fields + 1] = ARGV[at]
end
-- First what Redis refuses when its memory is full: then nothing has changed.
redis.call('HSET', record_of(key), unpack(fields))
redis.call('ZADD', index_of(subject), 0, key)
redis.call('ZADD', by_key, 0, key)
keep(key, subject, ends, now)
forget(old)
return 1
