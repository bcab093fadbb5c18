-- A page of sessions. ARGV: 2 how many at most, 3 the key to begin after or nothing, 4 now, 5 whose ('=subject') or
-- nothing for all. Whether there are more, and the sessions: pairs of a key and its fields.

local most, after, now, whose = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local index = whose == '' and by_key or index_of(string.sub(whose, 2))
local from = after == '' and '-' or '(' .. after
local AT_ONCE = 256

local page = {}
while true do
  local keys = redis.call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, AT_ONCE)
  for _, key in ipairs(keys) do
    local session = read(key)
    if session and now < session.ends then
      if #page == most then
        return { 1, page }
      end
      page[#page + 1] = { key, redis.call('HGETALL', record_of(key)) }
    end
  end
  if #keys < AT_ONCE then
    return { 0, page }
  end
  from = '(' .. keys[#keys]
end
