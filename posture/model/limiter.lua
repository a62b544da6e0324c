-- Token buckets: a request passes if each limit that applies to it has a token left, and takes one of each; else it
-- takes none and gets 429. So whoever is refused by a limit of its own takes nothing from what others share.
--
-- Envoy runs one copy of this in each of its worker threads, and they share nothing: each has its part of a rate.

-- Buckets hold tokens for `burst` requests and get `rate` tokens a second. At least one fits into each worker's part.
for _, limit in ipairs(LIMITS) do
  limit.rate = limit.rate / WORKERS
  limit.burst = math.max(limit.burst / WORKERS, 1)
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

local function has_method(limit, method)
  return not limit.methods or string.find(limit.methods, " " .. method .. " ", 1, true) ~= nil
end

local function has_path(limit, path)
  if limit.exact then
    return path == limit.exact
  end
  return not limit.prefix or string.sub(path, 1, #limit.prefix) == limit.prefix
end

-- Of several limits on routes the first that matches counts.
local function applies(limit, method, path, routed)
  if limit.of ~= "route" then
    return true
  end
  return not routed and has_method(limit, method) and has_path(limit, path)
end

local buckets = {} -- those of one request; kept, so that a request allocates nothing

local function take(handle)
  local headers = handle:headers()
  local method, path = headers:get(":method"), headers:get(":path")
  path = string.match(path or "", "^[^?]*") -- CONNECT has none
  local now = handle:timestamp() -- milliseconds
  local count, routed = 0, false
  local refusing, wait = nil, 0
  for _, limit in ipairs(LIMITS) do
    if applies(limit, method, path, routed) then
      routed = routed or limit.of == "route"
      local bucket
      if limit.of == "caller" then
        bucket = bucket_of_caller(limit, caller_of(handle), now)
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
