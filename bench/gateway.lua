-- What wrk sends to the gateway: BENCH_KIND says which requests. They are made before the load begins: making them costs
-- about as much as answering from memory. Prints one line for bench/gateway: "result REQUESTS/S P50 P99 WRONG", times in
-- ms, WRONG the number of answers and connections that failed.
local kind, requests, asked = os.getenv("BENCH_KIND"), {}, 0
local headers = { Authorization = "Bearer " .. os.getenv("BENCH_TOKEN") }

function init()
    if kind == "session" then
        requests[1] = wrk.format("GET", "/owner/session", headers)
    elseif kind ~= "admission" then
        for id in io.lines(os.getenv("BENCH_IDS")) do
            requests[#requests + 1] = wrk.format("GET", "/_ref/runs/" .. id, headers)
        end
    end
    math.randomseed(tonumber(wrk.port))
end

function request()
    if kind == "status" then return requests[math.random(#requests)] end
    asked = asked + 1
    if kind == "admission" then return wrk.format("POST", "/_ref/connections/bench-" .. asked .. "/run", headers) end
    return requests[(asked - 1) % #requests + 1]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("result %.0f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
