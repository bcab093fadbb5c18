-- The part of bartizan_core::limit::take that must not be raced for. KEYS: 1 the bucket. ARGV, in µs: 1 now, 2 how long
-- the exhausted bucket takes to be empty, 3 how much of that is taken; 4 how much longer it is kept, in ms.
-- What the bucket's number was; the rest is reckoned from that. All numbers are below 2^53, so none is rounded.

local now, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('GET', KEYS[1]) or '0'
local tat = math.min(math.max(tonumber(known), now), now + window)
local kept = tat + cost <= now + window and tat + cost or tat
-- Also what is only looked at: of two clocks the later one counts, by the algorithm.
if kept ~= tonumber(known) then
  local time = math.ceil((kept - now) / 1000) + tonumber(ARGV[4])
  redis.call('SET', KEYS[1], string.format('%.0f', kept), 'PX', string.format('%.0f', time))
end
return known
