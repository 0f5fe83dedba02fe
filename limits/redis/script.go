package redis

import "github.com/redis/rueidis"

const (
	prefix  = "halberd:limit:"
	bornKey = "halberd:limits-since"
)

// script is the arithmetic of internal/gcra on the server's clock, in
// microseconds since 2026, which are exact in Lua's numbers to a few
// thousandths. A word says until when the rate is spent; one that is not there
// lies where it would if all had been spent when this Redis began to keep limits,
// or at ARGV[2], the later of both. One that another life of the server wrote is
// not there either: what was saved to a disk may be from before the last takes.
//
// KEYS: when it began, then a word for each limit. ARGV: the cost (below zero:
// to give back), ARGV[2], when what is given back was taken, the name of this life
// of the server, then for each limit what a unit costs and its burst.
// It answers: taken, when to retry, the time, then for each limit how far its
// word lies ahead.
var script = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = (tonumber(t[1]) - 1767225600) * 1000000 + tonumber(t[2])
local run = ARGV[4]
local function kept(key)
  local n, wrote = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if wrote == run then return tonumber(n) end
end
local born = kept(KEYS[1])
if not born then
  born = now
  redis.call('SET', KEYS[1], string.format('%.0f %s', now, run))
end
local cost, from, at = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local taken, never, retry = 1, false, 0
local ahead, full, unit = {}, {}, {}
for i = 2, #KEYS do
  unit[i] = tonumber(ARGV[2 * i + 1])
  local burst = tonumber(ARGV[2 * i + 2])
  full[i] = unit[i] * burst
  local word = kept(KEYS[i]) or born + full[i]
  if from > 0 then word = math.max(word, from + full[i]) end
  ahead[i] = math.min(math.max(word - now, 0), full[i])
  local over = ahead[i] + cost * unit[i] - full[i]
  if cost > burst then
    taken, never = 0, true
  elseif cost > 0 and over > 0 then
    taken, retry = 0, math.max(retry, over)
  end
end
if never then retry = 0 end
local out = {taken, math.ceil(retry), now}
for i = 2, #KEYS do
  if taken == 1 then
    local more = cost * unit[i]
    if cost < 0 then more = math.min(more + now - at, 0) end -- what came back by itself is not given twice
    ahead[i] = math.max(ahead[i] + more, 0)
    redis.call('SET', KEYS[i], string.format('%.17g %s', now + ahead[i], run), 'PX', string.format('%.0f', math.ceil(ahead[i] / 1000) + 60000))
  end
  out[#out + 1] = math.ceil(ahead[i])
end
return out
`)
