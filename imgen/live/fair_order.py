r"""Scripts of the fair order of a queue's waiting jobs: by priority, then each tenant's share, then age.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) over jobs of one size. Each tenant has slots, one for each of its waiting
jobs, numbered from 0 upwards without end: the slot's number is the share that the tenant will have had by then. The lowest slot
is served next; a tenant that comes back from idle gets the number that is served at present, so it has saved nothing up. A
tenant's jobs fill its slots by age, whichever of them leave. A served job takes its tenant's first slot along, one that is
withdrawn the last, so only work that was done counts. All scripts are atomic, and of logarithmic time in the jobs that wait.

Keys of a queue, in their order (`waiting.KEYS`); `\31` separates the parts of members, numbers have a fixed width:

| key | kind | members |
|---|---|---|
| ids | hash | job → its member of `jobs` |
| jobs | set in lexical order | priority, tenant, time of submission (µs), job |
| slots | set in lexical order | priority, tenant, number, time of submission |
| order | set by priority · 10¹² + number | time of submission, number, priority, tenant |
| served | set by priority · 10¹² + number | priority: the number served last; priority, tenant: its next, if it is higher |

A tenant has as many slots as jobs, so a job's rank among the jobs is its slot's rank among the slots.
"""

_NAMES = r"""
local ids, jobs, slots, order, served = unpack(KEYS, 1, 5)
local group = KEYS[6]
local FIELDS = '^([^\31]*)\31([^\31]*)\31([^\31]*)\31(.*)$'
local function place_of(slot)
  local priority, tenant, number, created = string.match(slot, FIELDS)
  return table.concat({created, number, priority, tenant}, '\31')
end
local function slot_of(place)
  local created, number, priority, tenant = string.match(place, FIELDS)
  return table.concat({priority, tenant, number, created}, '\31')
end
local function job_at(place)
  local rank = redis.call('ZRANK', slots, slot_of(place))
  return rank and redis.call('ZRANGE', jobs, rank, rank)[1]
end
"""

_NUMBERS = r"""
local KEPT_S = 86400
local function base_of(priority) return tonumber(priority) * 1e12 end
local function number_in(key, priority, member)
  local score = redis.call('ZSCORE', key, member)
  return score and tonumber(score) - base_of(priority)
end
local function present_of(priority)
  local number, base = number_in(served, priority, priority), base_of(priority)
  if number then return number end
  local first = redis.call('ZRANGEBYSCORE', order, base, '(' .. string.format('%.0f', base + 1e12), 'LIMIT', 0, 1)[1]
  return first and tonumber((select(2, string.match(first, FIELDS)))) or 0
end
local function raise(key, priority, member, number)
  if number > (number_in(key, priority, member) or -1) then
    redis.call('ZADD', key, base_of(priority) + number, member)
  end
end
local function forget_past(key, priority)
  local base, present = base_of(priority), number_in(key, priority, priority) or 0
  redis.call('ZREMRANGEBYSCORE', key, base, '(' .. string.format('%.0f', base + present))
  redis.call('EXPIRE', key, KEPT_S)
end
"""

_CHANGES = r"""
local function drop(job, member, slot)
  redis.call('HDEL', ids, job)
  redis.call('ZREM', jobs, member)
  redis.call('ZREM', slots, slot)
  redis.call('ZREM', order, place_of(slot))
end
local function end_slot(member, command)
  local priority, tenant = string.match(member, FIELDS)
  local owner = priority .. '\31' .. tenant
  local from, to = '[' .. owner .. '\31', '(' .. owner .. ' '
  if command == 'ZREVRANGEBYLEX' then from, to = to, from end
  return redis.call(command, slots, from, to, 'LIMIT', 0, 1)[1]
end
local function charge(slot, is_next)
  local priority, tenant, number = string.match(slot, FIELDS)
  local owner = priority .. '\31' .. tenant
  number = tonumber(number)
  raise(served, priority, priority, is_next and number or present_of(priority))
  raise(served, priority, owner, number + 1)
  forget_past(served, priority)
  if group then
    local start = math.max(number_in(group, priority, priority) or 0, number_in(group, priority, owner) or 0)
    if is_next then raise(group, priority, priority, start) end
    raise(group, priority, owner, start + 1)
    forget_past(group, priority)
  end
end
"""

ADD = (
    _NAMES
    + _NUMBERS
    + r"""
local job, priority, tenant, created = unpack(ARGV)
if redis.call('HEXISTS', ids, job) == 1 then return end
local owner, base = priority .. '\31' .. tenant, base_of(priority)
local number = math.max(present_of(priority), number_in(served, priority, owner) or 0)
local last = redis.call('ZREVRANGEBYLEX', slots, '(' .. owner .. ' ', '[' .. owner .. '\31', 'LIMIT', 0, 1)[1]
if last then number = math.max(number, tonumber((select(3, string.match(last, FIELDS)))) + 1) end
local member = table.concat({priority, tenant, created, job}, '\31')
local slot = table.concat({priority, tenant, string.format('%012.0f', number), created}, '\31')
redis.call('HSET', ids, job, member)
redis.call('ZADD', jobs, 0, member)
redis.call('ZADD', slots, 0, slot)
redis.call('ZADD', order, base + number, place_of(slot))
"""
)
"""Adds a job that is not there yet. Arguments: job, priority, tenant, time of submission."""

TAKE = (
    _NAMES
    + _NUMBERS
    + _CHANGES
    + r"""
local place = redis.call('ZRANGE', order, 0, 0)[1]
if not place then return false end
local member = job_at(place)
if not member then
  redis.call('DEL', ids, jobs, slots, order)
  return false
end
local slot, priority, tenant, created, job = slot_of(place), string.match(member, FIELDS)
charge(slot, true)
drop(job, member, slot)
return {job, priority, tenant, created}
"""
)
"""Takes the next job out and charges its tenant; a sixth key is the group's `served`. Keys that do not fit together are deleted:
services/waiting_check.py makes them anew."""

SERVE = (
    _NAMES
    + _NUMBERS
    + _CHANGES
    + r"""
local member = redis.call('HGET', ids, ARGV[1])
local slot = member and end_slot(member, 'ZRANGEBYLEX')
if slot then
  charge(slot, false)
  drop(ARGV[1], member, slot)
end
"""
)
"""Takes one job out, out of its turn, and charges its tenant; a sixth key is the group's `served`."""

REMOVE = (
    _NAMES
    + _CHANGES
    + r"""
for _, job in ipairs(ARGV) do
  local member = redis.call('HGET', ids, job)
  local slot = member and end_slot(member, 'ZREVRANGEBYLEX')
  if slot then drop(job, member, slot) end
end
"""
)
"""Removes jobs without a charge."""

POSITION = (
    _NAMES
    + r"""
local member = redis.call('HGET', ids, ARGV[1])
local rank = member and redis.call('ZRANK', jobs, member)
local slot = rank and redis.call('ZRANGE', slots, rank, rank)[1]
return slot and redis.call('ZRANK', order, place_of(slot))
"""
)
"""Counts the jobs that are before one."""

HEAD = (
    _NAMES
    + r"""
local found = {}
for _, place in ipairs(redis.call('ZRANGE', order, 0, ARGV[1] - 1)) do
  local member = job_at(place)
  if member then found[#found + 1] = select(4, string.match(member, FIELDS)) end
end
return found
"""
)
"""Lists the first jobs in their order."""

FIRST_OF_EACH = r"""
local group, found = KEYS[#KEYS], {}
for index = 1, #KEYS - 1 do
  local place = redis.call('ZRANGE', KEYS[index], 0, 0)[1]
  local created, _, priority, tenant = string.match(place or '', '^([^\31]*)\31([^\31]*)\31([^\31]*)\31(.*)$')
  if not created then
    found[index] = false
  else
    local present = redis.call('ZSCORE', group, priority) or priority * 1e12
    local share = redis.call('ZSCORE', group, priority .. '\31' .. tenant) or 0
    local ahead = math.max(0, share - present)
    found[index] = {tonumber(priority), ahead, created}
  end
end
return found
"""
"""Tells of each queue's next job: priority, number of jobs by which its tenant is ahead of the least share, time of submission.

Keys: `order` of each queue, then the group's `served`."""
