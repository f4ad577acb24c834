#!/usr/bin/env python3
"""Makes sure that each id of ids.txt has a test that names it or a row in
docs/compatibility.md: prints those that have neither, exit status 1 if there are any.

    ids.py [--where ID]

A test names an id anywhere: in a comment, a title, a docstring (`SV-7`), or in its own
name (`test_SV7_who_fails`, `test_SY_1_exit`). Prefixes of one letter need the dash: the
hazards have such names too.
"""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
ROWS = os.path.join(ROOT, "docs", "compatibility.md")
LIST = os.path.join(HERE, "ids.txt")
ENDINGS = (".c", ".h", ".py", ".lua", ".yaml", ".json")

# `SV-7`, `PM-6a`, but nothing inside longer words.
ONE = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,5})-(\d+[a-z]?)(?![0-9A-Za-z])")
# What may follow an id: `, -02` and ` to REG-07`, ` to -7`.
NEXT = re.compile(r"\s*(,|and|to)\s*(?:([A-Z]{1,5})-|-)(\d+[a-z]?)(?![0-9A-Za-z])")
# Names of tests, in Python and in C, and the ids in them: `SV7_`, `sy_1_`.
NAME = re.compile(r"(?:def test_|START_TEST\()(\w+)")
IN_NAME = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2,5})_?(\d+[a-z]?)(?![0-9A-Za-z])")


def read_list(path):
    with open(path, encoding="utf-8") as file:
        return [one for line in file if not line.startswith("#") for one in line.split()]


def spread(prefix, first, last):
    """The numbers of a range, written as its ends are (`01` to `07`)."""
    digits = len(re.match(r"\d+", first)[0])
    low, high = (int(re.match(r"\d+", text)[0]) for text in (first, last))
    return {f"{prefix}-{n:0{digits}d}" for n in range(low, high + 1)}


def ids_in(text):
    """Every id that a text names, ranges and lists spelt out."""
    found = set()
    for match in ONE.finditer(text):
        prefix, last = match[1].upper(), match[2]
        found.add(f"{prefix}-{last}")
        at = match.end()
        while (more := NEXT.match(text, at)) and more[2] in (None, prefix):
            found.add(f"{prefix}-{more[3]}")
            if more[1] == "to":
                found |= spread(prefix, last, more[3])
            last, at = more[3], more.end()
    for name in NAME.findall(text):
        found |= {f"{one[0].upper()}-{one[1]}" for one in IN_NAME.findall(name)}
    return found


def test_files():
    for folder, below, names in os.walk(HERE):
        below[:] = sorted(one for one in below if one not in ("__pycache__", "corpus"))
        for name in sorted(names):
            if name.endswith(ENDINGS) and name != os.path.basename(__file__):
                yield os.path.join(folder, name)


def places():
    """Id -> the files that name it: tests, and the rows of the compatibility list."""
    where = {}
    for path in test_files():
        with open(path, encoding="utf-8", errors="replace") as file:
            for one in ids_in(file.read()):
                where.setdefault(one, []).append(os.path.relpath(path, ROOT))
    with open(ROWS, encoding="utf-8") as file:
        for line in file:
            cells = line.split("|")
            if len(cells) > 3:
                for one in ids_in(cells[1]):
                    where.setdefault(one, []).append(os.path.relpath(ROWS, ROOT))
    return where


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--where", metavar="ID", help="print the files that name it")
    where, wanted = places(), options.parse_args().where
    if wanted is not None:
        print("\n".join(dict.fromkeys(where.get(wanted, []))))
        return 0 if wanted in where else 1
    ids = read_list(LIST)
    missing = [one for one in ids if one not in where]
    for one in missing:
        print(f"{one}: no test names it, and docs/compatibility.md has no row for it")
    print(f"{len(ids) - len(missing)} of {len(ids)} ids are covered")
    return 1 if missing or not ids else 0


if __name__ == "__main__":
    sys.exit(main())
