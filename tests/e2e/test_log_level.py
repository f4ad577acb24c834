"""The log level reaches the workers: what is below it costs no frame (LG)."""

import pytest

from troupe import function

TALKS = """return {main = function()
    logger:debug("at debug")
    logger:info("at info")
    print("printed")
    logger:warn("at warn")
    logger:error("at error")
end}"""


@pytest.mark.parametrize("level,seen", [
    ("debug", ["at debug", "at info", "printed", "at warn", "at error"]),
    ("warn", ["at warn", "at error"]),
    ("error", ["at error"]),
])
def test_records_below_the_level_are_left_out(boot, level, seen):
    one = boot([function("talks", TALKS, modules=["logger"])], args=["--log-level", level])
    one.allow("at warn", "at error")
    one.call("app:talks")
    one.wait_record('"at error"')
    assert [r["msg"] for r in one.records() if r.get("logger") == "app"] == seen
