"""The process of a context, as the kernel sees it: who it is, what is open in it, the cgroup that ends it whole."""

import os, select, signal  # noqa: E401


class Context:
    """A context as the supervisor sees it: a process, three descriptors, at most one call."""

    def __init__(self, name, pid, control, out, err, cgroup):
        self.name, self.pid, self.control, self.cgroup = name, pid, control, cgroup
        self.pidfd = os.pidfd_open(pid)
        self.outputs = {out: "stdout", err: "stderr"}
        self.ready = select.poll()
        self.ready.register(out, select.POLLIN)
        self.ready.register(err, select.POLLIN)
        self.inbox, self.outbox = bytearray(), bytearray()
        self.call, self.unread, self.deadline, self.why, self.killed = None, 0, None, None, False


def own_cgroup():
    try:
        with open("/proc/self/cgroup") as file:
            return "/sys/fs/cgroup" + file.read().strip().split("::", 1)[1]
    except (OSError, IndexError):
        return None


def make_cgroup(base, number):
    path = f"{base}/context-{number}"
    try:
        os.mkdir(path)
        return path
    except OSError:
        return None


def removed(path):
    try:
        if path is not None:
            os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def kill_group(cgroup, pid):
    try:
        with open(f"{cgroup}/cgroup.kill", "w") as file:
            file.write("1")
    except OSError:
        pass
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def oom_killed(cgroup):
    try:
        with open(f"{cgroup}/memory.events.local") as file:
            return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in file)
    except (OSError, IndexError):
        return False


def become_user(control, out, err, cgroup, user, groups):
    """Turns the child of a fork into a process of the user with nothing of the supervisor's left open."""
    os.setsid()
    if cgroup is not None:
        with open(f"{cgroup}/cgroup.procs", "w") as file:
            file.write("0")
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("0")
    null = os.open("/dev/null", os.O_RDWR)
    for target, source in enumerate([os.dup(fd) for fd in (null, out, err, control)]):
        os.dup2(source, target, inheritable=target < 3)
    os.closerange(4, 4096)
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    os.setgroups(groups)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    # From here on no process of the user may trace this one or open what it has open: the kernel has marked it.
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o022)


def protect_self():
    """The supervisor answers while its contexts use up memory and time."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-900")
    os.setpriority(os.PRIO_PROCESS, 0, -10)
