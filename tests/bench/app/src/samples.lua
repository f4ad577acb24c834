-- Round-trip times as a histogram: constant cost, however many there are.

local STEP_NS = 1000

local samples = {}

function samples.new()
    return { n = 0, counts = {}, longest = 0 }
end

function samples.add(into, took_ns)
    local step = took_ns // STEP_NS

    into.n = into.n + 1
    into.counts[step] = (into.counts[step] or 0) + 1
    if step > into.longest then
        into.longest = step
    end
end

-- In microseconds; share 0.5 is the median.
function samples.at_us(of, share)
    local want = of.n * share
    local seen = 0

    for step = 0, of.longest do
        seen = seen + (of.counts[step] or 0)
        if seen > want then
            return (step + 0.5) * STEP_NS / 1000
        end
    end
    return of.longest * STEP_NS / 1000
end

return samples
