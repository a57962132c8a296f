-- KEYS are that of the state of all, then those of counters; of each counter: the
-- cell's length in ms, the limit, and what is to be taken. Returns 1, 0 or, while
-- what others have let pass alone may not be counted yet, -1; then of each
-- counter: what is left, after how many ms it fits, its cell.
if (tonumber(redis.call('HGET', KEYS[1], 'grace')) or 0) > now then return {-1} end
local fit, cells, sums = 1, {}, {}
local function arg(i, n) return tonumber(ARGV[3 * i - 5 + n]) end
for i = 2, #KEYS do
  cells[i], sums[i] = turn(KEYS[i], arg(i, 1))
  if sums[i] + arg(i, 3) > arg(i, 2) then fit = 0 end
end
local out = {fit}
for i = 2, #KEYS do
  local step, limit, n = arg(i, 1), arg(i, 2), arg(i, 3)
  local later, over = 0, sums[i] + n - limit
  if fit == 1 then
    add(KEYS[i], cells[i], n)
    sums[i] = sums[i] + n
  elseif over > 0 then
    later = wait(KEYS[i], step, cells[i], over)
  end
  out[#out + 1], out[#out + 2], out[#out + 3] = limit - sums[i], later, cells[i]
end
return out
