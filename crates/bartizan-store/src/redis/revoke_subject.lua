-- Revokes the tokens of a subject. KEYS: 1 the subject. ARGV: 1 before when they were issued, 2 until when that is
-- remembered, 3 now, 4 how long that is here, in ms.

local before, ends, lifetime = ARGV[1], ARGV[2], ARGV[4]
local known_before, known_ends = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(%d+)$')
-- What has ended is as if it were not there.
if known_ends and tonumber(known_ends) > tonumber(ARGV[3]) then
  if tonumber(known_before) > tonumber(before) then
    before = known_before
  end
  if tonumber(known_ends) > tonumber(ends) then
    ends = known_ends
    lifetime = string.format('%.0f', math.max(redis.call('PTTL', KEYS[1]), tonumber(lifetime)))
  end
end
redis.call('SET', KEYS[1], before .. ':' .. ends, 'PX', lifetime)
return 0
