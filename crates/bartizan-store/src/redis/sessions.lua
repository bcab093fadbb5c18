-- What all session scripts begin with.
--
-- KEYS[1]  all sessions, in the order of their keys (a sorted set whose scores are all 0)
-- KEYS[2]  all sessions, by when they end (a sorted set)
-- KEYS[3…] what the script is about, so that it runs only where that is; see RedisStore::ask_sessions
-- ARGV[1]  what the name of every key begins with; the hash tag in it is that of KEYS, so all of them are in one slot
--
-- A session is there where its record is AND its subject's index names it. So a script that takes it out of the index
-- has ended it, and a session that the index has lost cannot outlive "sign out everywhere".

local base, by_key, by_end = ARGV[1], KEYS[1], KEYS[2]

-- How much longer than a session its record is kept: for clocks that differ, and for prune to come first.
local SLACK = 3600000
-- A hundred years: what lives longer is kept no longer.
local LONGEST = 3155760000000

local function record_of(key)
  return base .. 'session:' .. key
end

local function index_of(subject)
  return base .. 'subject:' .. subject
end

-- The session, or nil. What is no number was written by somebody else: it counts as alive, so that whoever reads it
-- finds out.
local function read(key)
  local field = redis.call('HMGET', record_of(key), 'subject', 'created', 'touched', 'idle', 'expires')
  local subject, created, touched = field[1], tonumber(field[2] or ''), tonumber(field[3] or '')
  local idle, expires = tonumber(field[4] or ''), tonumber(field[5] or '')
  if not subject or not redis.call('ZSCORE', index_of(subject), key) then
    return nil
  end
  local ends = math.huge
  if touched and idle and expires then
    ends = math.min(expires, touched + idle)
  end
  return { subject = subject, created = created or 0, touched = touched, idle = idle, expires = expires, ends = ends }
end

-- Removes every trace of it, its place in the index first.
local function forget(key)
  local subject = redis.call('HGET', record_of(key), 'subject')
  if subject then
    redis.call('ZREM', index_of(subject), key)
  end
  redis.call('ZREM', by_key, key)
  redis.call('ZREM', by_end, key)
  redis.call('DEL', record_of(key))
end

local function keep_for(name, time)
  if redis.call('PTTL', name) < time then
    redis.call('PEXPIRE', name, string.format('%.0f', time))
  end
end

-- Has it kept, and what names it, until it ends.
local function keep(key, subject, ends, now)
  local time = math.min(math.max(ends - now, 0) + SLACK, LONGEST)
  redis.call('PEXPIRE', record_of(key), string.format('%.0f', time))
  redis.call('ZADD', by_end, string.format('%.0f', ends), key)
  keep_for(index_of(subject), time)
  keep_for(by_key, time)
  keep_for(by_end, time)
end
