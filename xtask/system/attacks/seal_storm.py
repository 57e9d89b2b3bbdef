"""Many names of great length: more state than a segment may have bytes. What is sealed and written must follow what
comes, not the state: without traffic next to nothing is written, also after a restart."""
import pathlib, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import MIB, Sender, attacked, main
from metlog_process import until

SERIES, NAME_BYTES, IDLE_SECONDS = 20_000, 1_000, 8
# Of the idle seconds: some checkpoints and windows, not a storm.
WRITTEN_MIB_MAX, SEALS_MAX = 64, 10


def written(metlog):
    io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{metlog.process.pid}/io").read_text().splitlines())
    return int(io["wchar"]) / MIB


def seals(metlog):
    """The number of the newest segment's place: files come and go, and their names only grow."""
    return {file.name for file in (metlog.folder / "data/journal").glob("*")}


def idle(metlog):
    before, seen, ends = written(metlog), seals(metlog), time.monotonic() + IDLE_SECONDS
    first = len(seen)
    while time.monotonic() < ends:
        seen |= seals(metlog)
        time.sleep(0.02)
    return written(metlog) - before, len(seen) - first


def attack(binary):
    told = []
    with attacked(binary, flush="10s", roll="1h", parquet='roll_bytes = "1MiB"\n') as metlog:
        sender = Sender(metlog.statsd)
        sender.send((b"%05d" % n + b"x" * NAME_BYTES + b":1|g" for n in range(SERIES)), 10_000)
        until("all are counted", lambda: (ledger := metlog.ledger())["received"] + ledger["dropped_by_kernel"] >= SERIES)
        time.sleep(1)
        for when in ("idle", "idle after a restart"):
            mib, sealed = idle(metlog)
            assert mib <= WRITTEN_MIB_MAX and sealed <= SEALS_MAX, (
                f"{when}: {mib:.0f} MiB written and {sealed} segments sealed in {IDLE_SECONDS} s")
            told.append(f"{when} {mib:.1f} MiB, {sealed} seals")
            if when == "idle":
                metlog.kill()
                metlog.start()
                time.sleep(1)
        return "; ".join(told)


main(attack)
