"""EV-7: what is logged is on the bus, for those who want it there."""

import pytest

from troupe import function, host, process, wait_for

APP = [
    host(),
    function("says", """return {main = function(level, text)
        logger[level](logger, text, {n = 7}) return true end}""", modules=["logger"]),
    function("marks", """return {main = function()
        return (events.send("logs", "mark", "/")) end}""", modules=["events"]),
    function("heard", """return {main = function()
        local answers = process.listen("heard")
        local ok = process.send("hearer", "ask", true)
        return ok and (answers:receive()) end}"""),
    process("hearer", """return {main = function(pattern)
        local logs = events.subscribe("logs", pattern)
        process.registry.register("hearer")
        local channel_of, inbox, ends = logs:channel(), process.inbox(), process.events()
        local all = {}
        while true do
            local got = channel.select{channel_of:case_receive(), inbox:case_receive(),
                                       ends:case_receive()}
            if got.channel == ends then return end
            if got.channel == channel_of then
                all[#all + 1] = got.value
            else
                process.send(got.value:from(), "heard", all)
            end
        end end}""", modules=["events"]),
]


@pytest.mark.parametrize("pattern,want", [("*", {"info", "warn"}), ("warn", {"warn"})])
def test_EV_7_logs_on_the_bus(boot, pattern, want):
    one = boot(APP, args=["--set", "logmanager.stream_to_events=true"])
    one.allow("something is odd")
    one.supctl("spawn", "app:hearer", "app:host", f'"{pattern}"')
    wait_for(lambda: one.supctl("names"), what="the hearer")
    one.call("app:says", "info", "all is well")
    one.call("app:says", "warn", "something is odd")

    def heard():
        events = one.call("app:heard")
        return events if events and any(
            event["data"]["message"] == "something is odd" for event in events) else None
    events = wait_for(heard, what="the events")
    assert all(event["system"] == "logs" for event in events)
    assert {event["kind"] for event in events} == want
    odd = next(event for event in events if event["kind"] == "warn")
    assert odd["path"] == odd["data"]["logger"]
    assert odd["data"]["fields"]["n"] == 7


def test_EV_7_off_by_default(boot):
    one = boot(APP)
    one.supctl("spawn", "app:hearer", "app:host", '"*"')
    wait_for(lambda: one.supctl("names"), what="the hearer")
    one.call("app:says", "info", "all is well")
    one.call("app:marks")  # comes after whatever came of that
    events = wait_for(lambda: one.call("app:heard"), what="the mark")
    assert [event["kind"] for event in events] == ["mark"]
