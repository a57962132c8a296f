-- Counters are hashes: 'l' the newest cell, 's' the sum of all, and each cell's
-- count by its number modulo CELLS.
local CELLS = tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function turn(key, step)
  local cell, h = math.floor(now / step), redis.call('HMGET', key, 'l', 's')
  local last, sum = tonumber(h[1]), tonumber(h[2])
  if last and cell <= last then return last, sum end
  if not last or cell - last >= CELLS then
    redis.call('DEL', key)
    sum = 0
  else
    local gone = {}
    for n = last + 1, cell do gone[#gone + 1] = n % CELLS end
    for _, v in ipairs(redis.call('HMGET', key, unpack(gone))) do
      if v then sum = sum - tonumber(v) end
    end
    redis.call('HDEL', key, unpack(gone))
  end
  redis.call('HSET', key, 'l', cell, 's', sum)
  redis.call('PEXPIRE', key, (CELLS + 1) * step)
  return cell, sum
end

local function add(key, cell, n)
  redis.call('HINCRBY', key, cell % CELLS, n)
  redis.call('HINCRBY', key, 's', n)
end

-- After how many ms n fit, as far as what is counted now tells.
local function wait(key, step, cell, over)
  for at = cell - CELLS + 1, cell do
    over = over - (tonumber(redis.call('HGET', key, at % CELLS)) or 0)
    if over <= 0 then return (at + CELLS) * step - now end
  end
  return 0
end

