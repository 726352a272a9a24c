-- For wrk: posts the bodies that are given as files, one after the other, and prints figures as JSON.
-- wrk ... -s server_load.lua URL -- MILLISECONDS_BETWEEN FILE ...

local requests, sent, pause = {}, 0, 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(arguments)
  statuses = {}
  pause = tonumber(arguments[1])
  local headers = { ["Content-Type"] = "multipart/form-data; boundary=edge" }
  for i = 2, #arguments do
    local file = assert(io.open(arguments[i], "rb"))
    table.insert(requests, wrk.format("POST", nil, headers, file:read("*a")))
    file:close()
  end
  math.randomseed(number)
end

function delay()
  -- Poisson arrivals; 0 is as fast as the answers come.
  return pause > 0 and math.floor(-math.log(1 - math.random()) * pause) or 0
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end

function done(summary, latency)
  local counts, counted = {}, {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counts[status] = (counts[status] or 0) + count
    end
  end
  for status, count in pairs(counts) do
    table.insert(counted, string.format('"%d": %d', status, count))
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"seconds": %.3f, "requests": %d, "broken": {"connect": %d, "read": %d, "write": %d, "timeout": %d}, ' ..
    '"p50": %.1f, "p95": %.1f, "p99": %.1f, "max": %.1f, "statuses": {%s}}\n',
    summary.duration / 1e6, summary.requests, errors.connect, errors.read, errors.write, errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    table.concat(counted, ", ")))
end
