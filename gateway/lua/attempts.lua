-- Slows down whoever tries credentials: past so many that were refused, an address is answered 429 in place of 401.
-- A request with a credential that is right passes all the same, so nobody is shut out by a neighbour.
--
-- Stands before whichever script looks at answers, since a script of its own would cost every answer as much again as
-- that. The state is a worker's own: with several workers an address has that many times as much.

local MOST = @MOST@ -- refused credentials of one address
local FORGIVE_EVERY_MS = 3000
local RETRY_AFTER_S = "30"
local MOST_ADDRESSES = 5000 -- of two generations each: the older one is forgotten when the newer one is full

local MARK = "@MARK@"
local MESSAGE = "@MESSAGE@"
local BODY = [[@BODY@]]

local newer, older, size = {}, {}, 0

-- What an address counts as: of IPv6 the first four of eight groups, since who has one address of a /64 has all of them.
local function network(address)
  if address:sub(1, 1) ~= "[" or address:find(".", 1, true) then return address end
  local left, right = address:match("^%[(.-)::(.*)%]$")
  local groups = {}
  for each in (left or address):gmatch("%x+") do groups[#groups + 1] = each end
  if left then
    local _, behind = right:gsub("%x+", "")
    for _ = #groups + 1, 8 - behind do groups[#groups + 1] = "0" end
    for each in right:gmatch("%x+") do groups[#groups + 1] = each end
  end
  return table.concat(groups, ":", 1, 4)
end

-- How many there were lately, this one with them.
local function count(address, now_ms)
  local known = newer[address]
  if not known then
    known = older[address] or { failures = 0, at_ms = now_ms }
    if size >= MOST_ADDRESSES then newer, older, size = {}, newer, 0 end
    newer[address], size = known, size + 1
  end
  local left = math.max(0, known.failures - (now_ms - known.at_ms) / FORGIVE_EVERY_MS)
  known.failures, known.at_ms = math.min(left + 1, MOST + 10), now_ms
  return known.failures
end

-- Whether this is an answer to a credential that is wrong; it needs nothing more then.
local function is_refusal(handle)
  local headers = handle:headers()
  if not headers:get(MARK) then return false end
  headers:remove(MARK)
  local address = handle:streamInfo():downstreamRemoteAddress():gsub(":%d+$", "")
  if count(network(address), tonumber(handle:timestamp())) <= MOST then return true end
  headers:replace("retry-after", RETRY_AFTER_S)
  headers:remove("www-authenticate")
  if headers:get("grpc-status") then
    headers:replace("grpc-status", "8")
    headers:replace("grpc-message", MESSAGE)
    return true
  end
  headers:replace(":status", "429")
  handle:body(true):setBytes(BODY)
  return true
end
