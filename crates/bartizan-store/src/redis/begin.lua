-- Begins a session. ARGV: 2 key, 3 the key that it replaces or nothing, 4 how many its subject may have or nothing,
-- 5 when it ends if no request comes, 6 its subject, 7 when it began; then its fields and their values.
-- How many ended besides the one that it replaces.

local key, replaced, most, ends = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local subject, now = ARGV[6], tonumber(ARGV[7])

-- What decides is read before anything is written.
local others, gone = {}, {}
if most then
  for _, other in ipairs(redis.call('ZRANGE', index_of(subject), 0, -1)) do
    local session = read(other)
    if not session then
      gone[#gone + 1] = other
    elseif other ~= key and other ~= replaced and now < session.ends then
      others[#others + 1] = { key = other, created = session.created, place = #others }
    end
  end
end

local fields = {}
for at = 8, #ARGV do
  fields[#fields + 1] = ARGV[at]
end

if redis.call('EXISTS', record_of(key)) == 1 then
  forget(key)
end
-- First what Redis refuses when its memory is full: then nothing has changed.
redis.call('HSET', record_of(key), unpack(fields))
redis.call('ZADD', index_of(subject), 0, key)
redis.call('ZADD', by_key, 0, key)
keep(key, subject, ends, now)
if replaced ~= '' and replaced ~= key then
  forget(replaced)
end
for _, other in ipairs(gone) do
  redis.call('ZREM', index_of(subject), other)
end

if not most then
  return 0
end
table.sort(others, function(a, b)
  if a.created == b.created then
    return a.place < b.place
  end
  return a.created < b.created
end)
local above = math.max(#others + 1 - most, 0)
for at = 1, math.min(above, #others) do
  forget(others[at].key)
end
return math.min(above, #others)
