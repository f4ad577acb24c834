"""What /proc says about processes: who is whose child, CPU time, memory."""

import os


def children(pid):
    """The live children of a process, as {pid: argv}."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if _parent(name) == pid:
                argv = _read(f"/proc/{name}/cmdline").split("\0")[:-1]
                if argv:  # a zombie has none
                    found[int(name)] = argv
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended between the two looks
    return found


def _parent(pid):
    return int(_read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[1])


def cpu_ns(pid):
    """CPU time of all threads of a process, exact to the nanosecond where the kernel
    keeps schedstat, to the tick elsewhere."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return sum(
            int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[0])
            for thread in threads
        )
    except FileNotFoundError:
        fields = _read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def pss_bytes(pid):
    return _rollup(pid, ("Pss",))


def private_bytes(pid):
    return _rollup(pid, ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))


def _rollup(pid, names):
    total = 0
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            total += int(rest.split()[0]) * 1024
    return total


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
