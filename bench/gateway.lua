-- What wrk sends to the gateway: BENCH_KIND says which requests. Prints one line for bench/gateway:
-- "result REQUESTS/S P50 P99 WRONG", times in ms, WRONG the number of answers and connections that failed.
local kind, ids, headers = os.getenv("BENCH_KIND"), {}, { Authorization = "Bearer " .. os.getenv("BENCH_TOKEN") }
local asked = 0

function init()
    for line in io.lines(os.getenv("BENCH_IDS")) do ids[#ids + 1] = line end
    math.randomseed(tonumber(wrk.port))
end

function request()
    if kind == "session" then return wrk.format("GET", "/owner/session", headers) end
    if kind == "status" then return wrk.format("GET", "/_ref/runs/" .. ids[math.random(#ids)], headers) end
    asked = asked + 1
    if kind == "admission" then return wrk.format("POST", "/_ref/connections/bench-" .. asked .. "/run", headers) end
    return wrk.format("GET", "/_ref/runs/" .. ids[(asked - 1) % #ids + 1], headers)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("result %.0f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
