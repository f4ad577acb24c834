#!/usr/bin/env python3
"""Adds up what the test runners reported: the last line is `N passed, N failed`.

    count.py --unit testlog.json [--e2e junit.xml]

A unit test program counts with each of its checks; one that ended without saying how
many there were counts as one. Exit status 1 if anything failed or nothing ran.
"""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as xml

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}


def count_unit(path):
    """(passed, failed, skipped) of meson's log, which holds one JSON object per line."""
    passed = failed = skipped = 0
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            if test["result"] == "SKIP":
                skipped += 1
                continue
            lines = CHECK_LINE.findall(test.get("stdout", ""))
            checks, bad = 0, 0
            for n, failures, errors in lines:
                checks += int(n)
                bad += int(failures) + int(errors)
            if test["result"] in GOOD:
                passed += checks or 1
            else:
                # Ended badly: at least one failure, whatever its last line said.
                bad = max(bad, 1)
                passed += max(checks - bad, 0)
                failed += bad
    return passed, failed, skipped


def count_e2e(path):
    passed = failed = skipped = 0
    for suite in xml.parse(path).getroot().iter("testsuite"):
        n = {key: int(suite.get(key, "0")) for key in
             ("tests", "failures", "errors", "skipped")}
        failed += n["failures"] + n["errors"]
        skipped += n["skipped"]
        passed += n["tests"] - n["failures"] - n["errors"] - n["skipped"]
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", required=True)
    parser.add_argument("--e2e")
    args = parser.parse_args()
    totals = [count_unit(args.unit)]
    if args.e2e:
        try:
            totals.append(count_e2e(args.e2e))
        except (OSError, xml.ParseError):
            totals.append((0, 1, 0))  # the runner itself failed
    passed, failed, skipped = (sum(column) for column in zip(*totals))
    if skipped:
        print(f"{skipped} skipped, not counted below")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
