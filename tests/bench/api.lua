-- SPDX-License-Identifier: Apache-2.0
-- wrk: make the requests of a file, one after the other, with a token. Each line: method, tab, path, tab, body.
local requests = {}
local at = 0

function init(args)
    for line in io.lines(args[1]) do
        local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
        requests[#requests + 1] = wrk.format(method, path, {
            ["Authorization"] = "Bearer " .. args[2],
            ["Content-Type"] = "application/json",
        }, body)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        "JSON {\"requests\": %d, \"seconds\": %.3f, \"errors\": %d, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
        summary.requests, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
