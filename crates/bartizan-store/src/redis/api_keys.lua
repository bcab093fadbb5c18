-- What the scripts about many API keys begin with.
--
-- KEYS[1]  all keys, in the order of their ids (a sorted set whose scores are all 0)
-- KEYS[2]  the keys that have an end, by it (a sorted set)
-- KEYS[3…] what the script is about, so that it runs only where that is; as in sessions.lua
-- ARGV[1]  what the name of every key of Redis begins with; the hash tag in it is that of KEYS
--
-- A key is there where its record is. The indexes list it; a listing leaves out what has no record.

local base, by_id, by_end = ARGV[1], KEYS[1], KEYS[2]

local function record_of(id)
  return base .. 'api-key:' .. id
end

local function index_of(owner)
  return base .. 'api-keys-of:' .. owner
end

local function end_at(id, ends)
  redis.call('ZADD', by_end, string.format('%.0f', ends), id)
end

-- Keeps a key: its end, if it has one, and its fields and their values, from ARGV[at] on.
local function put(id, owner, ends, at)
  local fields = {}
  for place = at, #ARGV do
    fields[#fields + 1] = ARGV[place]
  end
  redis.call('HSET', record_of(id), unpack(fields))
  redis.call('ZADD', by_id, 0, id)
  redis.call('ZADD', index_of(owner), 0, id)
  if ends ~= '' then
    end_at(id, tonumber(ends))
  end
end
