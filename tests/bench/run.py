#!/usr/bin/env python3
"""Measures Troupe against its limits and its peers.

    run.py [--build DIR] [--against DIR] [--quick] [--rounds N] [--only GROUP]...

Every round runs every program once, one at a time; a ratio is the median of the ratios
within each round, so a slow minute of the machine is slow for both sides. The limit
programs (limit_*.c) do the least work that the thing can be made of; the peers are what
Debian packages, skipped where not installed. Writes bench.md and bench.svg into the build
folder. Exit status 1 if something that is installed could not be measured; a target that
was missed is a result, not a failure.

With --against the other side of every ratio is the product of another build folder,
measured by the same scripts in the same round, and the target is to be no slower. What
that build can't do yet is left out and named.
"""

import argparse
import os
import platform
import statistics
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional

import measurements as m
import report
from programs import Bench, Failed, Missing


@dataclass
class Target:
    """One row of the table: a figure, alone or divided by another of the same round."""

    group: str
    title: str
    measure: Callable
    figure: str
    sign: str  # ">=" or "<="; "" = no target, said for comparison only
    bound: float
    unit: str = ""
    against: Optional[Callable] = None
    against_figure: str = ""


@dataclass
class Row:
    title: str
    measured: str = "–"
    compared: str = ""
    ratio: str = ""
    target: str = ""
    verdict: str = ""
    towards_target: Optional[float] = None  # 1 = just met, more is better


RATE = "calls_per_s"
SLICE_MS = 8  # two ticks of the workers' timer: the longest
SPARE_MS = 4

TARGETS = [
    Target("calls", "calls, one core, 64 outstanding / limit",
           m.troupe_calls_one_core, RATE, ">=", 2 / 3, "/s",
           m.limit_calls_one_core, RATE),
    Target("calls", "calls, one core: supervisor's share of the CPU time",
           m.troupe_calls_one_core, "supervisor_share", "<=", 1 / 3),
    Target("calls", "calls, one core, 1 outstanding: latency / limit",
           m.troupe_calls_lone, "p50_us", "<=", 1.5, "µs",
           m.limit_calls_lone, "p50_us"),
    Target("calls", "calls, free, 64 outstanding: p99",
           m.troupe_calls_free, "p99_us", "<=", 1000, "µs"),
    Target("calls", "calls, free, 64 outstanding: p99 / limit's p99",
           m.troupe_calls_free, "p99_us", "", 0, "µs",
           m.limit_calls_free, "p99_us"),
    Target("calls", "calls, free, 64 outstanding / Tarantool net.box",
           m.troupe_calls_free, RATE, ">=", 1.4, "/s", m.peer_tarantool, RATE),
    Target("calls", "calls, free, 64 outstanding / NATS request-reply",
           m.troupe_calls_free, RATE, ">=", 3, "/s", m.peer_nats, RATE),
    Target("calls", "calls, free, 64 outstanding / Erlang, two nodes",
           m.troupe_calls_free, RATE, ">=", 3, "/s", m.peer_erlang, RATE),
    Target("messages", "messages inside a worker / limit",
           m.troupe_messages_near, "messages_per_s", ">=", 1 / 2, "/s",
           m.limit_messages, "messages_per_s"),
    Target("messages", "messages between workers, one core / limit's frames",
           m.troupe_messages_far, "messages_per_s", ">=", 1 / 2, "/s",
           m.limit_frames, "frames_per_s"),
    Target("actors", "actors spawned, run and ended",
           m.troupe_spawns, "actors_per_s", ">=", 300_000, "/s"),
    Target("actors", "memory of a million idle actors (PSS, all processes)",
           m.troupe_crowd, "pss_mb_per_million", "<=", 2000, "MB"),
    Target("actors", "one of them answers a message",
           m.troupe_crowd, "answer_p50_us", "<=", 1000, "µs"),
    Target("actors", "any of them answers while all exist: p99.9 (collector's pauses)",
           m.troupe_crowd, "random_p999_us", "<=", 2000, "µs"),
    Target("sharing", "a busy actor among 1000: answers of others, two turns each",
           m.troupe_fair_busy, "p50_ms", "<=", 2 * SLICE_MS + SPARE_MS, "ms"),
    Target("sharing", "the same 1000 with none busy",
           m.troupe_fair_idle, "p50_ms", "", 0, "ms"),
    Target("sharing", "a loop that could be preempted / limit, by CPU time",
           m.loops, "loops_per_s", ">=", 0.97, "/s", m.loops, "limit_loops_per_s"),
    Target("release", "100,000 monitors and 10,000 names of one actor that ends",
           m.troupe_release_ended, "released_ms", "<=", 1000, "ms"),
    Target("release", "… the longest that the supervisor took to answer meanwhile",
           m.troupe_release_ended, "longest_ms", "<=", 5, "ms"),
    Target("release", "… whose worker is killed",
           m.troupe_release_killed, "released_ms", "<=", 1000, "ms"),
    Target("release", "… the longest that the supervisor took to answer meanwhile",
           m.troupe_release_killed, "longest_ms", "<=", 5, "ms"),
    Target("deaths", "worker killed to answering again",
           m.troupe_deaths, "replaced_ms", "<=", 4, "ms"),
    Target("deaths", "worker killed to error at its waiting caller",
           m.troupe_deaths, "error_ms", "<=", 1, "ms"),
    Target("starts", "100 workers from none to all running a call",
           m.troupe_starts, "all_running_ms", "<=", 150, "ms"),
    Target("policies", "a check against a scope of ten policies",
           m.policies, "scope_ns", "<=", 2000, "ns"),
    Target("idle", "idle with 20 workers: supervisor's CPU per second",
           m.troupe_idle, "supervisor_cpu_ms_per_s", "<=", 1, "ms"),
    Target("idle", "idle: a worker's CPU per second",
           m.troupe_idle, "worker_cpu_ms_per_s", "<=", 0.2, "ms"),
    Target("idle", "idle: supervisor's private memory",
           m.troupe_idle, "supervisor_private_mb", "<=", 10, "MB"),
    Target("idle", "idle: largest worker's private memory",
           m.troupe_idle, "worker_private_mb", "<=", 2, "MB"),
]


ALIKE = 0.03  # two runs of one build may differ by that much


def against_build(targets, build):
    """Targets that hold the figures of the product, each once, against those of another
    build."""
    others = {}

    def of_other(measure):
        def run(bench):
            with other_build(bench, build):
                return measure(bench)

        run.__name__ = f"{measure.__name__}, the other build"
        return others.setdefault(measure, run)

    def compared(target):
        sign = target.sign or (">=" if target.unit == "/s" else "<=")
        return replace(target, sign=sign, against=of_other(target.measure),
                       against_figure=target.figure,
                       bound=1 - ALIKE if sign == ">=" else 1 + ALIKE)

    once = {(target.measure, target.figure): target for target in reversed(targets)}
    return [compared(target) for target in reversed(once.values())]


@contextmanager
def other_build(bench, build):
    own, bench.build = bench.build, build
    try:
        yield
    finally:
        bench.build = own


def programs_of(targets):
    """Each measurement once, in the order of the table: both sides of a ratio run next
    to each other."""
    seen = {}
    for target in targets:
        for measure in (target.against, target.measure):
            if measure is not None:
                seen.setdefault(measure)
    return list(seen)


def run_rounds(bench, measures, n_rounds):
    """{measure: [figures of each round]}, and {measure: why it has none}."""
    results = {measure: [] for measure in measures}
    problems = {}
    for number in range(n_rounds):
        for measure in measures:
            if measure in problems:
                continue
            say_progress(f"round {number + 1} of {n_rounds}: {measure.__name__}")
            try:
                results[measure].append(measure(bench))
            except (Missing, Failed) as problem:
                problems[measure] = problem
    say_progress("")
    return results, problems


def say_progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def number(value, unit=""):
    if abs(value) >= 10_000:
        text = f"{value:,.0f}".replace(",", " ")
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip() if not unit.startswith("/") else text + unit


def spread(values, unit):
    median = number(statistics.median(values), unit)
    return f"{median} ({number(min(values))}–{number(max(values))})"


def make_row(target, results, problems):
    own = [figures[target.figure] for figures in results[target.measure]]
    row = Row(target.title, target=target_text(target))
    if own:
        row.measured = spread(own, target.unit)
    values = own
    if target.against is not None:
        other = [f[target.against_figure] for f in results[target.against]]
        values = [a / max(b, 1e-9) for a, b in zip(own, other)]
        if other:
            row.compared = spread(other, target.unit)
        if values:
            row.ratio = spread(values, "")
    for measure in (target.measure, target.against):
        if measure in problems:
            row.verdict = f"not measured: {problems[measure]}"
    if not row.verdict and target.sign:
        judge(row, target, statistics.median(values))
    return row


def target_text(target):
    if not target.sign:
        return "–"
    unit = "" if target.against else target.unit
    return {">=": "≥ ", "<=": "≤ "}[target.sign] + number(target.bound, unit)


def judge(row, target, value):
    more_is_better = target.sign == ">="
    row.towards_target = (
        value / target.bound if more_is_better else target.bound / max(value, 1e-9)
    )
    row.verdict = "met" if row.towards_target >= 1 else "missed"


def about_this_run(n_rounds, load_before):
    """The load average before it tells whether others were at work on the machine."""
    cpus = len(os.sched_getaffinity(0))
    return (f"Medians of {n_rounds} rounds on {cpus} cores, "
            f"Linux {platform.release()}, {platform.machine()}, "
            f"load before the run {load_before:.1f}")


def parse_args():
    groups = sorted({target.group for target in TARGETS})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="meson's build folder")
    parser.add_argument("--against", metavar="DIR",
                        help="compare with the product of another build folder")
    parser.add_argument("--quick", action="store_true", help="short and rough")
    parser.add_argument("--rounds", type=int, help="default 5, quick 2")
    parser.add_argument("--only", action="append", choices=groups, metavar="GROUP",
                        help="one of " + ", ".join(groups) + "; repeatable")
    return parser.parse_args()


def main():
    args = parse_args()
    targets = [t for t in TARGETS if not args.only or t.group in args.only]
    n_rounds = args.rounds or (2 if args.quick else 5)
    load_before = os.getloadavg()[0]
    if args.against:
        targets = against_build(targets, Path(args.against).resolve())
    bench = Bench(args.build, args.quick)
    try:
        results, problems = run_rounds(bench, programs_of(targets), n_rounds)
    finally:
        bench.close()
    rows = [make_row(target, results, problems) for target in targets]
    intro = about_this_run(n_rounds, load_before)
    print(intro + "\n\n" + report.text_table(rows))
    (bench.build / "bench.md").write_text(report.markdown(rows, intro))
    (bench.build / "bench.svg").write_text(report.svg(rows, intro))
    print(f"\nwritten: {bench.build}/bench.md and bench.svg")
    return 1 if any(isinstance(p, Failed) for p in problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
