-- What the transcoder can't do: the JSON shape of errors, 201 and 204, a bare array as the body, and refusing a
-- body with fields that the rpc does not have.
--
-- Acts on REST requests only: native gRPC passes untouched, and what Envoy answers by itself has its shape already
-- (gateway/errors.py). Bodies are cut into spans and never decoded: what is quoted stays quoted, so no text of a
-- user can be taken for structure.

local NO_REASON = {
  ["400"] = { "INVALID_ARGUMENT" },
  ["401"] = { "AUTH_INVALID_TOKEN" },
  ["403"] = { "PERMISSION_DENIED" },
  ["404"] = { "ROUTE_NOT_FOUND" },
  ["409"] = { "CONFLICT" },
  ["429"] = { "RESOURCE_EXHAUSTED", "The %s service works on as much as it may; try again in a second." },
  ["499"] = { "CANCELLED", "The %s service saw the request cancelled." },
  ["500"] = { "INTERNAL", "The %s service failed; its log has the request's id." },
  ["501"] = { "UNIMPLEMENTED", "This version of the %s service does not have this method." },
  ["503"] = { "SERVICE_UNAVAILABLE", "The %s service is not available; it may be starting." },
  ["504"] = { "DEADLINE_EXCEEDED", "The %s service did not answer in time." },
}

-- gRPC has no code of its own for these.
local STATUS_OF_REASON = { PAYLOAD_TOO_LARGE = "413" }

local PASSING = { ["429"] = true, ["503"] = true, ["504"] = true }

local GRPC_HEADERS = {
  "grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding", "trailer",
}

-- Index after the string whose opening quote stands at `i`; nil when it does not end.
local function after_string(text, i)
  i = i + 1
  while true do
    local at = text:find('["\\]', i)
    if not at then return nil end
    if text:byte(at) == 34 then return at + 1 end
    i = at + 2
  end
end

-- Index after the value that starts at `i`; nil when it does not end.
local function after_value(text, i)
  local first = text:byte(i)
  if first == 34 then return after_string(text, i) end
  if first ~= 123 and first ~= 91 then return (text:find("[,%]}%s]", i)) end
  local depth = 0
  while true do
    local at = text:find('["{}%[%]]', i)
    if not at then return nil end
    local byte = text:byte(at)
    if byte == 34 then
      i = after_string(text, at)
      if not i then return nil end
    else
      depth = depth + ((byte == 123 or byte == 91) and 1 or -1)
      i = at + 1
      if depth == 0 then return i end
    end
  end
end

-- The members of the object in `text`: name to the text of its value. Empty when it is no object.
local function members(text)
  local found = {}
  local i = text:match("^%s*{%s*()")
  while i and text:byte(i) == 34 do
    local name_end = after_string(text, i)
    if not name_end then break end
    local value = text:match("^%s*:%s*()", name_end)
    local value_end = value and after_value(text, value)
    if not value_end then break end
    found[text:sub(i + 1, name_end - 2)] = text:sub(value, value_end - 1)
    i = text:match("^%s*,%s*()", value_end)
  end
  return found
end

-- The elements of the array in `text`.
local function elements(text)
  local found = {}
  local i = text:match("^%s*%[%s*()")
  while i and text:byte(i) ~= 93 do
    local value_end = after_value(text, i)
    if not value_end then break end
    found[#found + 1] = text:sub(i, value_end - 1)
    i = text:match("^%s*,%s*()", value_end)
  end
  return found
end

local ESCAPED = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- The text of a JSON string; what is not ASCII in an escape becomes `?`. Nil when it is no string.
local function unquoted(json)
  if not json or json:byte(1) ~= 34 then return nil end
  local text = json:sub(2, -2):gsub("\\(u?)(.)(%x?%x?%x?)", function(u, first, rest)
    if u == "" then return (ESCAPED[first] or first) .. rest end
    local code = tonumber(first .. rest, 16)
    return code and code < 128 and string.char(code) or "?"
  end)
  return text
end

-- The same where it is printable ASCII throughout, fit for a header; else nil.
local function plain(json)
  local text = unquoted(json)
  if not text or text:find("[^\32-\126]") then return nil end
  return text
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

local function error_body(message, error_code, retryable, details)
  return '{"message":' .. message .. ',"error":{"message":' .. message .. '},"error_code":' .. quoted(error_code)
    .. ',"retryable":' .. retryable .. ',"details":' .. details .. "}"
end

-- The one detail that every error has.
local function error_info(error_code)
  return '{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":' .. quoted(error_code)
    .. ',"domain":"studio-databases","metadata":{}}'
end

-- The reason and the seconds to wait, from the details of a google.rpc.Status.
local function read_details(details)
  local reason, wait_s
  for _, detail in ipairs(elements(details)) do
    local fields = members(detail)
    local kind = fields["@type"]
    if kind == '"type.googleapis.com/google.rpc.ErrorInfo"' then
      reason = reason or plain(fields.reason)
    elseif kind == '"type.googleapis.com/google.rpc.RetryInfo"' then
      local seconds = tonumber((plain(fields.retry_delay) or ""):match("^(%d+%.?%d*)s$"))
      wait_s = seconds and math.max(1, math.ceil(seconds))
    end
  end
  return reason, wait_s
end

-- Waiting for the body suspends the script, and what it has from `handle` before is dead after: take it anew.
local function whole_body(handle)
  local body = handle:body(true)
  return body, handle:headers()
end

-- What the transcoder says of a body or query that does not fit: it repeats the value, which may be a password, and
-- of text that is no JSON the lines around the mistake. The field and the first line say enough.
local function without_values(message)
  local text = unquoted(message):match("^[^\n]*")
  local rest = text:match("^The request does not fit this route: :? ?(.*)$")
  if not rest then return quoted(text) end
  local group, extra = rest:match("oneof field '([%w_]+)' is already set%. Cannot set '([%w_]+)' for type oneof$")
  if group then return quoted("Only one field of '" .. group .. "' may be set: '" .. extra .. "' is one too many.") end
  local field, kind = rest:match("^(.-): invalid value .* for type ([%w_./]+)$")
  if field then
    kind = kind:match("^TYPE_(.*)$") or kind:match("[^./]*$")
    return quoted(field .. ": the value is not of type " .. kind:lower() .. ".")
  end
  local parameter = rest:match('^Could not find field "(.-)" in the type')
  if parameter then return quoted("This route has no parameter '" .. parameter .. "'.") end
  if rest:find("^Root element must be a message") then return quoted("The body is no JSON object.") end
  return quoted(text)
end

local function shape_error(handle, status)
  local body, headers = whole_body(handle)
  local service = handle:metadata():get("service")
  local found = members(body:length() > 0 and body:getBytes(0, body:length()) or "")
  if found.error_code then
    -- A local reply: complete but for this.
    if status == "400" then
      body:setBytes(error_body(without_values(found.message), plain(found.error_code), "false", found.details))
    end
    return
  end
  local details = found.details or "[]"
  local reason, wait_s = read_details(details)
  local message = found.message
  if not reason then
    -- Raised by gRPC itself: its texts are about transports, not for users.
    local known = NO_REASON[status] or NO_REASON["500"]
    reason = known[1]
    if known[2] or not message then
      message = quoted(string.format(known[2] or "The %s service refused the request.", service))
    end
    details = "[" .. table.concat({ error_info(reason), unpack(elements(details)) }, ",") .. "]"
  end
  if STATUS_OF_REASON[reason] then
    status = STATUS_OF_REASON[reason]
    headers:replace(":status", status)
  end
  if not headers:get("retry-after") and (wait_s or PASSING[status]) then
    headers:replace("retry-after", tostring(wait_s or 1))
  end
  if status == "401" then headers:replace("www-authenticate", "Bearer") end
  headers:replace("content-type", "application/json")
  local retryable = headers:get("retry-after") and "true" or "false"
  body:setBytes(error_body(message or '""', reason, retryable, details))
end

-- The answer is one field of the message; the next page's token moves to a header.
local function unwrap(handle, field)
  local body, headers = whole_body(handle)
  local found = members(body:getBytes(0, body:length()))
  local token = plain(found.next_page_token)
  if token and token ~= "" and not headers:get("x-next-page-token") then
    headers:replace("x-next-page-token", token)
  end
  body:setBytes(found[field] or "null")
end

-- What pg-meta answers stays as it is, but for this. Where it has a text in `error` alone it gets one in `message`: Studio
-- reads that. And its 500 says nothing: it is its answer to a mistake of the caller, and to a database that can't be reached.
-- Studio and others send again what got a 5xx. Texts are those of PostgreSQL and its driver, of Fastify's validation and body
-- parsers, of JSON.parse, and of pg-meta.
local UNREACHABLE = { "^connect E%u+ " }
local PASSING_TEXTS = {
  "^Connection terminated", "^timeout exceeded when trying to connect", "^sorry, too many clients",
  "^remaining connection slots", "^the database system is ",
}
local PERMANENT_TEXTS = {
  "^body[ /]", "^querystring[ /]", "^params[ /]", "^Unsupported Media Type", "^Request body size did not match",
  "^Body cannot be empty", "^Object contains forbidden prototype", "in JSON at position %d", "^Unexpected end of JSON",
  "is not valid JSON$", "^SQL identifier cannot be ", "^LIMIT must not be negative$", "^OFFSET must not be negative$",
  "^Invalid config ", "^password authentication failed ", "^no pg_hba.conf entry ", "^permission denied ",
  '^database ".*" does not exist$', '^role ".*" does not exist$', '^role ".*" is not permitted to log in$',
}
local MOST_BYTES = 65536

local function is_any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

local function status_for(status, why)
  -- SQL that reached no database has changed nothing. Of SQL that was cut off (400) nobody knows; it must not be repeated.
  if (status == "400" or status == "500") and is_any(why, UNREACHABLE) then return "503" end
  if status ~= "500" then return status end
  return is_any(why, PASSING_TEXTS) and "503" or is_any(why, PERMANENT_TEXTS) and "400" or status
end

local function touch_up(handle, status)
  local length = tonumber(handle:headers():get("content-length") or "")
  if not length or length > MOST_BYTES or length == 0 then return end
  local body, headers = whole_body(handle)
  local text = body:getBytes(0, body:length())
  local found = members(text)
  local why = unquoted(found.error)
  if found.error_code or not why then return end
  local meant = status_for(status, why)
  if meant ~= status then headers:replace(":status", meant) end
  if PASSING[meant] and not headers:get("retry-after") then headers:replace("retry-after", "2") end
  if not found.message then body:setBytes('{"message":' .. found.error .. "," .. text:match("^%s*{(.*)$")) end
end

-- The transcoder drops what it does not know of a body, so a misspelt `ttlMs` would set a key for ever.
function envoy_on_request(handle)
  local known = handle:metadata():get("body_fields")
  if not known then return end
  local body = handle:body()
  if not body then return end
  for name in pairs(members(body:getBytes(0, body:length()))) do
    if not known:find("," .. name .. ",", 1, true) then
      local message = quoted("This route has no field '" .. (plain('"' .. name .. '"') or "?") .. "'.")
      handle:respond(
        { [":status"] = "400", ["content-type"] = "application/json" },
        error_body(message, "INVALID_ARGUMENT", "false", "[" .. error_info("INVALID_ARGUMENT") .. "]")
      )
      return
    end
  end
end

function envoy_on_response(handle)
  if is_refusal and is_refusal(handle) then return end
  local headers = handle:headers()
  local content_type = headers:get("content-type") or ""
  local rest = handle:metadata()
  if content_type:find("^application/grpc") or not rest:get("service") then return end
  local status = headers:get(":status")
  if rest:get("as_it_is") then
    if status >= "400" then touch_up(handle, status) end
    return
  end
  for _, name in ipairs(GRPC_HEADERS) do headers:remove(name) end
  if status >= "400" then return shape_error(handle, status) end
  if status ~= "200" then return end

  local success = rest:get("success_status")
  local field = rest:get("response_body")
  if success then headers:replace(":status", tostring(success)) end
  if success == 204 then
    local body, after = whole_body(handle)
    body:setBytes("")
    after:remove("content-type")
    after:remove("content-length")
  elseif field then
    unwrap(handle, field)
  end
end
