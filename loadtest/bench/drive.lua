-- What wrk sends, how fast, and how it tells what came of it: arguments are body bytes and the mean wait in ms.
function init(arguments)
  local body_bytes, wait_ms = tonumber(arguments[1]), tonumber(arguments[2])
  if body_bytes > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", body_bytes)
  end
  if wait_ms > 0 then
    function delay()
      return math.random() * 2 * wait_ms
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "took_us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
