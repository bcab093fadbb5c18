-- Whether a token is revoked. KEYS: 1 its subject; then the token, if it has a name, and its key, if that has one.
-- ARGV: 1 now, 2 when it was issued.
-- 1 where it is; nothing where somebody else has written what decides.

local now, issued = tonumber(ARGV[1]), tonumber(ARGV[2])
for at = 2, #KEYS do
  local ends = redis.call('GET', KEYS[at]) or '0'
  if not tonumber(ends) then
    return false
  end
  if now < tonumber(ends) then
    return 1
  end
end
local cutoff = redis.call('GET', KEYS[1])
if not cutoff then
  return 0
end
local before, ends = string.match(cutoff, '^(%d+):(%d+)$')
if not before then
  return false
end
return now < tonumber(ends) and issued < tonumber(before) and 1 or 0
