-- What a node's banker wants: KEYS are those of the nodes that there are, of what
-- this node's last round has brought, and of the state of all; then those of
-- counters, of each of which six numbers say what is to be done. In return come
-- how many nodes there are, which of them this one is, the name of this memory,
-- and 1 while nothing is granted; then four numbers of each counter.
-- A round that was carried out is not carried out again: its reply may be lost.
local node, nodes, seq, memory, back = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local NODETIME, NEXT, GRACE, KEEP = 5000, 300, 3000, 3600000

local last = redis.call('HMGET', KEYS[2], 'seq', 'out')
if last[1] == seq then
  local out = {}
  for n in string.gmatch(last[2], '%-?%d+') do out[#out + 1] = tonumber(n) end
  return out
end

-- Whether what is counted here may lack what nodes have let pass alone, as this
-- memory is not the one that the node knows, or as it has been away and no other
-- was here meanwhile: then nothing is granted until they have had the time to tell.
local function settling()
  local mine = redis.call('HGET', KEYS[3], 'memory')
  if not mine then
    mine = string.format('%.0f', t[1] * 1000000 + t[2])
    redis.call('HSET', KEYS[3], 'memory', mine)
  end
  local lost = memory ~= '0' and memory ~= mine
  if back == '1' and not lost then
    local heard, own = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2], redis.call('ZSCORE', KEYS[1], node)
    lost = not heard or own and tonumber(heard) <= tonumber(own) + NEXT
  end
  if lost then redis.call('HSET', KEYS[3], 'grace', now + GRACE) end
  return mine, (tonumber(redis.call('HGET', KEYS[3], 'grace')) or 0) > now
end

local mine, grace = settling()

local function announce()
  redis.call('ZADD', KEYS[1], now, node)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - NODETIME)
  redis.call('PEXPIRE', KEYS[1], NODETIME)
  local all, rank = redis.call('ZRANGE', KEYS[1], 0, -1), 0
  for _, other in ipairs(all) do
    if other < node then rank = rank + 1 end
  end
  return #all, rank
end

local op = {}

op[1] = function(key, step, least, demand, ahead, limit)
  if grace then return {-1, 0, 0, 0} end
  local cell, sum = turn(key, step)
  local free = limit - sum
  if free < least then return {0, free, wait(key, step, cell, least - free), cell} end
  local grant = math.min(math.max(free, 0), demand)
  grant = grant + math.max(0, math.min(ahead, math.floor((free - grant) / (2 * nodes))))
  if grant > 0 then add(key, cell, grant) end
  return {grant, free - grant, 0, cell}
end

op[2] = function(key, step, cell, n)
  local last = turn(key, step)
  if cell < 0 then cell = last + 1 + cell end
  if cell > last - CELLS then
    n = math.max(n, -(tonumber(redis.call('HGET', key, cell % CELLS)) or 0))
    if n ~= 0 then add(key, cell, n) end
  end
  return {0, 0, 0, 0}
end

op[3] = function(key, ttl, needed, ahead, limit, running)
  if grace then needed, ahead = running, 0 end
  local all, others = redis.call('HGETALL', key), 0
  for i = 1, #all, 2 do
    local n, till = string.match(all[i + 1], '(%d+):(%d+)')
    if tonumber(till) <= now then redis.call('HDEL', key, all[i])
    elseif all[i] ~= node then others = others + tonumber(n) end
  end
  local free = math.max(limit - others, 0)
  local grant = math.min(free, needed)
  grant = grant + math.max(0, math.min(ahead, math.floor((free - grant) / (2 * nodes))))
  if grant > 0 then
    redis.call('HSET', key, node, string.format('%.0f:%.0f', grant, now + ttl))
    redis.call('PEXPIRE', key, ttl)
  else
    redis.call('HDEL', key, node)
  end
  if grace then return {-1, 0, 0, 0} end
  return {grant, free - grant, 0, 0}
end

local out = {0, 0, mine, grace and 1 or 0}
if back ~= '-1' then out[1], out[2] = announce() else redis.call('ZREM', KEYS[1], node) end
for i = 4, #KEYS do
  local a = 7 + (i - 4) * 6
  local r = op[tonumber(ARGV[a])](KEYS[i], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
  for j = 1, 4 do out[#out + 1] = r[j] end
end
for i, n in ipairs(out) do out[i] = tonumber(n) end
local text = {}
for i, n in ipairs(out) do text[i] = string.format('%.0f', n) end
redis.call('HSET', KEYS[2], 'seq', seq, 'out', table.concat(text, ','))
redis.call('PEXPIRE', KEYS[2], KEEP)
return out
