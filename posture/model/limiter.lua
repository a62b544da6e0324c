-- Token buckets: a request passes if each limit that applies to it has a token left, and takes one of each; else it
-- takes none and gets 429. So whoever is refused by a limit of its own takes nothing from what others share.
--
-- Envoy runs one copy of this in each of its worker threads, and they share nothing: each has its part of a rate.
-- What is asked of Envoy for each request is most of what this costs, so that only is asked which the limits need.

local READS_PATH, READS_METHOD = false, false

-- Buckets hold tokens for `burst` requests and get `rate` tokens a second. At least one fits into each worker's part.
for _, limit in ipairs(LIMITS) do
  limit.rate = limit.rate / WORKERS
  limit.burst = math.max(limit.burst / WORKERS, 1)
  READS_PATH = READS_PATH or limit.exact ~= nil or limit.prefix ~= nil
  READS_METHOD = READS_METHOD or limit.methods ~= nil
  if limit.methods then
    limit.has_method = {}
    for method in string.gmatch(limit.methods, "%S+") do
      limit.has_method[method] = true
    end
  end
end

local ONE = 1 - 1e-9 -- a token that came in parts may lack this much of one

local function passed_since(bucket, now)
  return math.max(now - bucket.at, 0) / 1000 -- seconds; a clock that is set back passes no time
end

local function new_bucket(limit, now)
  return { tokens = limit.burst, at = now }
end

local function refill(bucket, limit, now)
  bucket.tokens = math.min(bucket.tokens + passed_since(bucket, now) * limit.rate, limit.burst)
  bucket.at = now
  return bucket
end

-- Callers' buckets are in two generations, so that their number is bounded. A caller moves to the younger generation
-- with each request; when that is full, it becomes the older one, and whoever is in the older one is forgotten.
local function bucket_of_caller(limit, caller, now)
  local bucket = limit.younger and limit.younger[caller]
  if bucket then
    return bucket
  end
  bucket = limit.older and limit.older[caller] or new_bucket(limit, now)
  if not limit.younger or limit.count >= MOST_CALLERS then
    limit.older, limit.younger, limit.count = limit.younger, {}, 0
  end
  limit.younger[caller] = bucket
  limit.count = limit.count + 1
  return bucket
end

-- The identity in the certificate that the sidecar has verified (a SPIFFE ID); no header can change it.
local function caller_of(handle)
  local tls = handle:streamInfo():downstreamSslConnection()
  local names = tls and tls:uriSanPeerCertificate()
  return names and names[1] or "nobody"
end

-- Method and path, without a query, as far as limits need them. CONNECT has no path.
local function asked_of(handle)
  if not READS_PATH and not READS_METHOD then
    return "", ""
  end
  local headers = handle:headers()
  local method = READS_METHOD and headers:get(":method") or ""
  local path = READS_PATH and headers:get(":path") or ""
  local query = string.find(path, "?", 1, true)
  return method, query and string.sub(path, 1, query - 1) or path
end

local function matches(limit, method, path)
  if limit.methods and not limit.has_method[method] then
    return false
  end
  if limit.exact then
    return path == limit.exact
  end
  return not limit.prefix or string.sub(path, 1, #limit.prefix) == limit.prefix
end

local buckets = {} -- those of one request; kept, so that a request allocates nothing

local function take(handle)
  local method, path = asked_of(handle)
  local now = handle:timestamp() -- milliseconds
  local count, route, caller = 0, nil, nil
  local refusing, wait = nil, 0
  for _, limit in ipairs(LIMITS) do
    if limit.route and not route and matches(limit, method, path) then
      route = limit.route -- of several routes the first that matches counts
    end
    if limit.route == nil or limit.route == route then
      local bucket
      if limit.of == "caller" then
        caller = caller or caller_of(handle)
        bucket = bucket_of_caller(limit, caller, now)
      else
        limit.bucket = limit.bucket or new_bucket(limit, now)
        bucket = limit.bucket
      end
      refill(bucket, limit, now)
      count = count + 1
      buckets[count] = bucket
      if bucket.tokens < ONE then
        refusing = refusing or limit
        wait = math.max(wait, (1 - bucket.tokens) / limit.rate)
      end
    end
  end
  if not refusing then
    for i = 1, count do
      buckets[i].tokens = buckets[i].tokens - 1
    end
  end
  return refusing, wait
end

function envoy_on_request(handle)
  local refusing, wait = take(handle)
  if refusing then
    handle:respond({
      [":status"] = "429",
      ["content-type"] = "text/plain",
      ["retry-after"] = string.format("%d", math.ceil(wait)),
      ["x-rate-limited-by"] = SERVICE .. " " .. refusing.name,
    }, "over the limit of " .. SERVICE .. ": " .. refusing.name .. "\n")
  end
end
