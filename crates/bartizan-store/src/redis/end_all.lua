-- Ends all sessions of a subject. ARGV: 2 subject, 3 the key of the one that stays, or nothing. How many ended.

local subject, except = ARGV[2], ARGV[3]
local ended = 0
for _, key in ipairs(redis.call('ZRANGE', index_of(subject), 0, -1)) do
  if key ~= except then
    if read(key) then
      ended = ended + 1
    end
    forget(key)
    -- Also where its record is gone.
    redis.call('ZREM', index_of(subject), key)
  end
end
return ended
