#!/usr/bin/env python3
"""Runs clang-tidy over the compile database; prints findings only.

    tidy.py --build DIR [--jobs N] [FILE...]

Given files, checks those only. Exit status 1 if anything was found. A file is checked
again only after it, a header or the list of checks has changed: the results of the last
run are remembered in the build folder.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sources_of(build, only):
    """What is in the database, once, our own files only."""
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    wanted = {(ROOT / name).resolve() for name in only}
    found = set()
    for entry in entries:
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if path.suffix == ".c" and ROOT in path.parents and (not wanted or path in wanted):
            found.add(path)
    return sorted(found)


def database_for_clang(build):
    """The compile database without options that only gcc knows, in a folder of its own."""
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    text = (build / "compile_commands.json").read_text(encoding="utf-8")
    text = re.sub(r" '?-mmemset-strategy=[^ ']*'?", "", text)
    (folder / "compile_commands.json").write_text(text, encoding="utf-8")
    return folder


def digest_of_common_ground():
    """Changes with any header, the checks and the compiler's flags."""
    digest = hashlib.sha256()
    for folder in ("common", "proto", "supervisor", "worker", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".def") or path.name == "meson.build":
                digest.update(path.read_bytes())
    for name in (".clang-tidy", "meson.build"):
        digest.update((ROOT / name).read_bytes())
    return digest


def key_of(ground, path):
    digest = ground.copy()
    digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def check(database, path):
    """The findings, or "" for none."""
    done = subprocess.run(
        ["clang-tidy-14", "--quiet", "-p", str(database), "--warnings-as-errors=*", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return ""
    return done.stdout or done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    build = args.build.resolve()
    memory = build / "tidy-clean.json"
    try:
        clean = set(json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        clean = set()
    ground = digest_of_common_ground()
    database = database_for_clang(build)
    sources = {path: key_of(ground, path) for path in sources_of(build, args.files)}
    todo = [path for path, key in sources.items() if key not in clean]
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        results = list(zip(todo, pool.map(lambda path: check(database, path), todo)))
    n_bad = 0
    for path, findings in results:
        if findings:
            n_bad += 1
            print(findings.strip())
        else:
            clean.add(sources[path])
    memory.write_text(json.dumps(sorted(clean)), encoding="utf-8")
    if n_bad:
        print(f"clang-tidy: {n_bad} of {len(sources)} files with findings")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
