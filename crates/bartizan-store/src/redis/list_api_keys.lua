-- A page of API keys. ARGV: 2 how many at most, 3 the id to begin after or nothing, 4 whose ('=owner') or nothing for all.
-- Whether there are more, and the keys: pairs of an id and its fields.

local most, after, whose = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local index = whose == '' and by_id or index_of(string.sub(whose, 2))
local from = after == '' and '-' or '(' .. after
local AT_ONCE = 256

local page = {}
while true do
  local ids = redis.call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, AT_ONCE)
  for _, id in ipairs(ids) do
    local fields = redis.call('HGETALL', record_of(id))
    if #fields > 0 then
      if #page == most then
        return { 1, page }
      end
      page[#page + 1] = { id, fields }
    end
  end
  if #ids < AT_ONCE then
    return { 0, page }
  end
  from = '(' .. ids[#ids]
end
