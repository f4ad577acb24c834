"""The library by which calls of the system fail, see tests/faults/faults.c."""

import atexit
import functools
import os
import re
import shutil
import tempfile

import troupe

LIBRARY = os.path.join(troupe.BUILD, "tests", "faults", "libfaults.so")


@functools.cache
def preload():
    """What LD_PRELOAD is to be. The linker takes blanks and colons for the ends of names,
    and starts the program without a library that it doesn't find."""
    if not re.search(r"[\s:]", LIBRARY):
        return LIBRARY
    folder = tempfile.mkdtemp(prefix="troupe-faults-")
    atexit.register(shutil.rmtree, folder)
    link = os.path.join(folder, "libfaults.so")
    os.symlink(LIBRARY, link)
    return link
