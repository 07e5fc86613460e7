"""What the harness and its child processes have in common: clocks, manners, last words."""

import os
import pathlib
import resource
import threading
import time


def end_with_parent() -> None:
    """End this process when its standard input does, which the harness holds open.

    The harness ends its children itself; this is for when it was killed.
    """

    def wait() -> None:
        # os.read, since a thread that waits in sys.stdin at exit makes the interpreter abort.
        while os.read(0, 1):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def allow_connections() -> None:
    """Let this process open as many files as it may; often the first limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def process_cpu(pid: int) -> float | None:
    """Return the CPU seconds of a process, all its threads together; None where not to be had.

    From the process's CPU clock, whose number Linux makes of the pid (clock_getcpuclockid(3)).
    /proc/PID/schedstat has only the main thread, which is half of what gRPC uses, and
    /proc/PID/stat counts in steps of 10 ms.
    """
    if not pathlib.Path(f"/proc/{pid}").exists():
        return None
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


def resident(pid: int) -> int:
    """Return the bytes that a process has in memory.

    Raises:
        OSError: There is no such process, or the system has no /proc.
    """
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine_cpu() -> float | None:
    """Return the CPU seconds that all cores were busy since boot; None where not to be had."""
    try:
        line = pathlib.Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def last_words(error: BaseException) -> str:
    """Say in one line what went wrong: the innermost of groups, its type and its text."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
