"""Three times the journal's budget of bytes that nobody can read, beside a trickle of good messages, while the store
is away. No good message may be dropped for them, neither of the trickle nor of what comes afterwards."""
import os, pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, attacked, main, stored
from metlog_process import until
from wire import wire_datagram

BUDGET_MIB, JUNK_BYTES, GOOD = 32, 1_400, 20_000


# Of each kind only what is behind its beginning cannot be read.
KINDS = [b"\x00", b'{"type":"junk","payload":"', b'{"type":"junk","timestamp":"no time","payload":"', wire_datagram(7, 0, 0, 1, "h", "l", [])]


def junk(count):
    noise = os.urandom(JUNK_BYTES).replace(b"\n", b"\0")
    for n in range(count):
        start = KINDS[n % len(KINDS)]
        yield start + noise[n % 7 : JUNK_BYTES - len(start)]
        if n % 100 == 0:
            yield b'{"type":"good","payload":"beside %d"}' % n


def attack(binary):
    with attacked(binary, roll="1s", parquet='roll_bytes = "1MiB"\n', extra=f'[journal]\nbudget = "{BUDGET_MIB}MiB"\n') as metlog:
        warehouse, away = metlog.folder / "warehouse", metlog.folder / "warehouse.away"
        warehouse.rename(away)
        warehouse.write_text("no folder")
        sender = Sender(metlog.metlog)
        count = 3 * BUDGET_MIB * (1 << 20) // JUNK_BYTES
        sender.send(junk(count), 10_000)
        good = [b'{"type":"good","payload":"%d"}' % n for n in range(GOOD)]
        sender.send(good, 10_000)
        expected = GOOD + (count + 99) // 100
        # A datagram of junk may be refused as several messages, so good ones are what is counted.
        until("all good messages have come", lambda: (ledger := metlog.ledger())["held"] + ledger["dropped"]
              + ledger["dropped_by_kernel"] >= expected)
        ledger = metlog.ledger()
        assert ledger["dropped"] == 0, f"dropped for junk: {ledger}"
        warehouse.unlink()
        away.rename(warehouse)
        stored(metlog)
        rows = metlog.one("select count(*) from messages where type = 'good'")
        assert rows >= expected - ledger["dropped_by_kernel"], f"{rows} of {expected} good messages are there: {ledger}"
        journal = sum(file.stat().st_size for file in (metlog.folder / "data/journal").glob("*")) >> 20
        return f"{rows} of {expected} good messages beside {ledger['rejected']} of junk, the journal has {journal} MiB"


main(attack)
