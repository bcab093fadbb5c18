-- Ends a session. ARGV: 2 key. How many ended.

local session = read(ARGV[2])
forget(ARGV[2])
return session and 1 or 0
