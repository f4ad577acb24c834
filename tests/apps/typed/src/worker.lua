-- An actor's state, messages told apart by a field, coroutines and channels.
type Job = {id: integer, kind: "resize", width: integer} | {id: integer, kind: "mail", to: string}
type Outcome = {job: integer, ok: boolean, detail: string | nil}
type Worker = {name: string, done: {Outcome}, busy: boolean}
type Handlers = {[string]: (worker: Worker, job: any) -> (string?, string?)}

local handlers: Handlers = {
    resize = function(worker, job)
        if job.width <= 0 then return nil, "bad width" end
        return "resized to " .. job.width
    end,
    mail = function(worker, job)
        if not job.to:find("@") then return nil, "bad address" end
        return "sent to " .. job.to .. " by " .. worker.name
    end,
}

local function perform(worker: Worker, job: Job): Outcome
    local handler = handlers[job.kind]
    if handler == nil then
        return {job = job.id, ok = false, detail = "no handler"}
    end
    worker.busy = true
    local text, err = handler(worker, job)
    worker.busy = false
    local outcome: Outcome = {job = job.id, ok = err == nil, detail = text or err}
    table.insert(worker.done, outcome)
    return outcome
end

local function describe(job: Job): string
    if job.kind == "resize" then
        return "resize " .. job.width
    end
    return "mail " .. job.to
end

local function producer(jobs: {Job}): thread
    return coroutine.create(function(): integer
        for _, job in ipairs(jobs) do
            coroutine.yield(job)
        end
        return #jobs
    end)
end

local function drain(worker: Worker, co: thread): integer
    local n = 0
    while coroutine.status(co) ~= "dead" do
        local ok, job = coroutine.resume(co)
        if not ok then error(job) end
        if type(job) == "table" then
            perform(worker, job)
            n = n + 1
        end
    end
    return n
end

local function selftest(): string
    local worker: Worker = {name = "w", done = {}, busy = false}
    local jobs: {Job} = {
        {id = 1, kind = "resize", width = 10},
        {id = 2, kind = "mail", to = "a@b"},
        {id = 3, kind = "mail", to = "nobody"},
    }
    local n = drain(worker, producer(jobs))
    local out: {string} = {}
    for i, outcome in ipairs(worker.done) do
        out[i] = (outcome.ok and "+" or "-") .. (outcome.detail or "")
    end
    return n .. " " .. table.concat(out, "; ") .. "; " .. describe(jobs[1])
end

return {selftest = selftest}
