"""What the attacks in `attacks` share: a metlog with a bound on its memory, a fast sender, and what must hold afterwards.

An attack is a file with a function `attack(binary)`, which returns what it measured, in words, and raises
AssertionError where a promise does not hold. Each can be run alone: `python3 attacks/NAME.py BINARY`.
"""
import contextlib, os, pathlib, resource, shutil, socket, subprocess, sys, tempfile, threading, time
from metlog_process import Metlog, balanced, until

MIB = 1 << 20
# Configured for every attack, unless it says otherwise: the budget of memory.
MEMORY_MIB = 256
# What the process may take beyond its budget.
BEYOND_MIB = 256
# Where the machine itself must be protected from what is attacked.
KILLED_AT_MIB = 6 * 1024


def family(process):
    """A process and those that it began, and so on."""
    found = [process]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
    return found


def status_kib(process, key, file="status"):
    with contextlib.suppress(OSError, StopIteration):
        status = pathlib.Path(f"/proc/{process}/{file}").read_text().splitlines()
        return int(next(line for line in status if line.startswith(key)).split()[1])
    return 0


class Bound:
    """Ends the process above KILLED_AT_MIB: by a cgroup where we may make one, otherwise by watching it."""

    def __init__(self):
        self.group, self.metlog, self.ended, self.peak = None, None, False, 0
        for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            group = pathlib.Path(root, f"metlog-attack-{os.getpid()}")
            with contextlib.suppress(OSError):
                group.mkdir()
                try:
                    (group / limit).write_text(str(KILLED_AT_MIB * MIB))
                    self.group = group
                    break
                except OSError:
                    group.rmdir()
        threading.Thread(target=self._watch, daemon=True).start()

    def before_exec(self):
        if self.group:
            with contextlib.suppress(OSError):
                (self.group / "cgroup.procs").write_text(str(os.getpid()))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def peak_mib(self):
        """Most memory that its processes had at once: of the first as Linux tells it, together as it was looked at."""
        if self.metlog and hasattr(self.metlog, "process") and self.metlog.process.poll() is None:
            tree = family(self.metlog.process.pid)
            # What processes share, such as the program's file, or everything just after a fork, counts once.
            together = sum(status_kib(p, "Pss:", "smaps_rollup") for p in tree)
            self.peak = max(self.peak, status_kib(tree[0], "VmHWM:") // 1024, together // 1024)
        return self.peak

    def _watch(self):
        while not self.ended:
            if self.peak_mib() > KILLED_AT_MIB:
                with contextlib.suppress(OSError):
                    self.metlog.process.kill()
            time.sleep(0.05)

    def close(self):
        self.ended = True
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()


@contextlib.contextmanager
def attacked(binary, **options):
    """A running metlog to be attacked; afterwards it must be alive, its ledger balanced and its memory within bounds."""
    folder, bound = tempfile.mkdtemp(prefix="metlog-attack-"), Bound()
    limit = options.pop("limit_mib", MEMORY_MIB + BEYOND_MIB)
    options["listener"] = f'memory = "{MEMORY_MIB}MiB"\n' + options.get("listener", "")
    # Its keys of [query] come first, and then sections.
    options["extra"] = options.get("extra", "") + f'[limits]\nmemory = "{limit - BEYOND_MIB}MiB"\n'
    metlog = Metlog.__new__(Metlog)
    bound.metlog = metlog
    try:
        metlog.__init__(binary, folder, before_exec=bound.before_exec, **options)
        metlog.peak_mib = bound.peak_mib
        yield metlog
        alive(metlog)
        balanced(metlog.ledger())
        assert (peak := bound.peak_mib()) <= limit, f"{peak} MiB at the most, where {limit} were to be enough"
    except AssertionError as error:
        raise AssertionError(f"{error} [peak {bound.peak_mib()} MiB{ended(metlog)}]") from None
    finally:
        if hasattr(metlog, "process") and metlog.process.poll() is None:
            metlog.kill()
        bound.close()
        shutil.rmtree(folder, ignore_errors=True)


def ended(metlog):
    process = getattr(metlog, "process", None)
    return "" if process is None or process.poll() is None else f", the process ended with {process.poll()}"


def alive(metlog):
    assert metlog.process.poll() is None, "the process ended"
    metlog.health()


class Sender:
    """Datagrams at a steady rate, from one socket. It never runs ahead of its clock by more than a few ms."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.sent = 0

    def send(self, datagrams, per_second):
        begun, first = time.monotonic(), self.sent
        for datagram in datagrams:
            with contextlib.suppress(ConnectionRefusedError):
                self.socket.send(datagram)
            self.sent += 1
            ahead = (self.sent - first) / per_second - (time.monotonic() - begun)
            if ahead > 0.002:
                time.sleep(ahead)


def in_background(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def accounted(metlog, sent, seconds=60):
    """Waits until each of `sent` messages, one a datagram, is received or counted as dropped by the kernel; the ledger."""
    def all_counted():
        ledger = metlog.ledger()
        return ledger if ledger["received"] + ledger["dropped_by_kernel"] >= sent else None
    ledger = until(f"{sent} messages are counted", all_counted, seconds)
    assert ledger["received"] + ledger["dropped_by_kernel"] == sent, f"{sent} were sent: {ledger}"
    return ledger


def stored(metlog, seconds=60):
    """Waits until nothing is held; the ledger."""
    return until("nothing is held", lambda: (ledger := metlog.ledger())["held"] == 0 and ledger, seconds)


def objects(metlog):
    """The objects of the warehouse folder."""
    return sorted((metlog.folder / "warehouse").rglob("*.parquet"))


def compiled(source, folder):
    """A shared library of a C source, for LD_PRELOAD; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    file, library = pathlib.Path(folder, "shim.c"), pathlib.Path(folder, "shim.so")
    file.write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, file, "-ldl"], check=True)
    return str(library)


def main(attack):
    """Runs one attack for the binary that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} BINARY")
    name = pathlib.Path(sys.argv[0]).stem
    try:
        print(f"pass  {name}: {attack(os.path.abspath(sys.argv[1]))}", flush=True)
    except Exception as error:  # an attack that cannot run has failed
        print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
        sys.exit(1)
