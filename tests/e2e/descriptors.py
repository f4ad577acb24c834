"""Which descriptors of a supervisor have nobody to be for.

What it holds is told by /proc, and so is what each thing is for: a pidfd names a child, a
liveness table is mapped, a worker and a client have one socket each. Files are those that
were open after the start. So nothing is compared with a number that depends on how many
workers happened to live when somebody counted.
"""

import os
import re
import stat

import troupe

LIVENESS = "memfd:troupe-liveness"
UNIX_CONNECTED = "03"


def look_at(pid):
    """{descriptor: (link, inode)} of a process; the links of those that are gone by then
    are not there."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        try:
            found[int(fd)] = (os.readlink(path), os.stat(path).st_ino)
        except FileNotFoundError:
            pass
    return found


def files_of(pid):
    """Links of what is neither a process nor a socket of somebody else."""
    return {link for link, _ in look_at(pid).values()}


def can_be_judged(pid):
    """What runs in a namespace of its own has pids that we can't tell apart."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "supervisor" or \
            troupe.MEMCHECK_LOGS is not None
    except (FileNotFoundError, PermissionError):
        return False


def pid_behind(pid, fd):
    """-1: that process is gone and reaped."""
    with open(f"/proc/{pid}/fdinfo/{fd}") as file:
        return int(re.search(r"^Pid:\s*(-?\d+)$", file.read(), re.M).group(1))


def mapped_inodes(pid):
    with open(f"/proc/{pid}/maps") as file:
        return [int(line.split()[4]) for line in file if LIVENESS in line]


def unix_sockets():
    """{inode: (state, path)} of all on this machine."""
    rows = {}
    with open("/proc/net/unix") as file:
        for line in list(file)[1:]:
            fields = line.split()
            path = fields[7] if len(fields) > 7 else ""
            rows[int(fields[6])] = (fields[5], path)
    return rows


def n_clients():
    """How many clients of control sockets may live at this moment: sockets of our own,
    and children that are no supervisors."""
    own = sum(stat.S_ISSOCK(os.stat(f"/proc/self/fd/{fd}").st_mode)
              for fd in os.listdir("/proc/self/fd")
              if os.path.exists(f"/proc/self/fd/{fd}"))
    return own + len(troupe.children_of(os.getpid()))


def leaked(pid, control, files_at_boot):
    """Texts about descriptors that are for nothing; files_at_boot: None = unknown."""
    held = look_at(pid)
    children = troupe.children_of(pid)
    tables, known = mapped_inodes(pid), unix_sockets()
    processes, workers, clients, more = list(children), [], [], []
    for fd, (link, inode) in held.items():
        if link == "anon_inode:[pidfd]":
            owner = pid_behind(pid, fd)
            if owner in processes:
                processes.remove(owner)
            else:
                more.append(f"{fd}: of process {owner}, which is no child any more")
        elif LIVENESS in link:
            if inode in tables:
                tables.remove(inode)
            else:
                more.append(f"{fd}: a liveness table that is mapped nowhere")
        elif inode in known and link.startswith("socket:"):
            state, path = known[inode]
            if path == "" and link not in (files_at_boot or ()):
                workers.append(fd)
            elif path.startswith(control) and state == UNIX_CONNECTED:
                clients.append(fd)
        elif files_at_boot is not None and link not in files_at_boot:
            more.append(f"{fd}: {link}")
    if len(workers) > len(children):
        more.append(f"{len(workers)} sockets of workers, but {len(children)} children")
    if len(clients) > n_clients():
        more.append(f"{len(clients)} sockets of clients, but {n_clients()} of those")
    return more


def check(pid, control, files_at_boot):
    """Waits until none is left over, or says which are."""
    def none():
        try:
            return not leaked(pid, control, files_at_boot)
        except (FileNotFoundError, ProcessLookupError):
            return not troupe.is_alive(pid)  # came and went as we looked

    if not can_be_judged(pid):
        return
    try:
        troupe.wait_for(none)
    except AssertionError:
        raise AssertionError("descriptors that are for nothing:\n" + "\n".join(
            leaked(pid, control, files_at_boot))) from None
