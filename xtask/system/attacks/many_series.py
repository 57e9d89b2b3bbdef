"""100,000 live series that close at the end of each window, beside messages: the close must not stop intake."""
import pathlib, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import BEYOND_MIB, MEMORY_MIB, Sender, attacked, in_background, main
from metlog_process import until

SERIES, VALUES_PER_SECOND, SECONDS = 100_000, 40_000, 12


def attack(binary):
    with attacked(binary, flush="2s", roll="5s", statsd=f"series_max = {2 * SERIES}\n", limit_mib=MEMORY_MIB + 2 * BEYOND_MIB) as metlog:
        values, messages, ended = Sender(metlog.statsd), Sender(metlog.metlog), []
        lines = [b"series.of.some.length.%d:%d|ms" % (n, n % 97) for n in range(SERIES)]

        def beside():
            while not ended:
                messages.send([b'{"type":"beside"}'] * 500, 5_000)

        thread = in_background(beside)
        values.send((lines[n % SERIES] for n in range(VALUES_PER_SECOND * SECONDS)), VALUES_PER_SECOND)
        ended.append(True)
        thread.join()
        sent = values.sent + messages.sent
        ledger = until("all are counted", lambda: (ledger := metlog.ledger())["received"] + ledger["dropped_by_kernel"] >= sent and ledger)
        assert ledger["dropped_by_kernel"] == 0, f"{ledger['dropped_by_kernel']} of {sent} dropped by the kernel"
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            metlog.get("/metrics")
            slowest = max(slowest, time.monotonic() - began)
        return f"{sent} messages and values, {SERIES} series, none dropped; /metrics within {slowest * 1000:.0f} ms"


main(attack)
