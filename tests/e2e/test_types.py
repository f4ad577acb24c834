"""Types in sources: erased without a trace, and (switched on) values at run time."""

import os
import subprocess
import sys

import troupe

TYPES = os.path.join(troupe.ROOT, "tests", "types")
RUN_PAIRS = os.path.join(troupe.BUILD, "tests", "types", "run_pairs")


def test_typed_programs_do_what_untyped_ones_do_TYPE_02_TYPE_20_TYPE_21():
    """2,000 generated pairs; `./dev types` has a long form."""
    seed = "0"
    made = subprocess.run([sys.executable, os.path.join(TYPES, "generate.py"), "2000", seed],
                          capture_output=True, timeout=120, check=True)
    done = subprocess.run([RUN_PAIRS], input=made.stdout, capture_output=True, timeout=120,
                          check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-20000:]
    assert said.endswith("2000 pairs, 0 different, 0 that don't compile\n")
