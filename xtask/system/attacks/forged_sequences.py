"""Unsigned datagrams with sequence numbers that cannot be. No count may go wild, nothing may be stored twice, and what
one sender forges must not show in the row of another."""
import pathlib, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import attacked, main
from metlog_process import until
from wire import wire_datagram

LAST = 2**64 - 1
LOST_MAX = 1_000_000_000


def attack(binary):
    with attacked(binary) as metlog:
        def send(sender, sequence, payload):
            message = ("forged", [], payload, {})
            metlog.send(metlog.metlog, [
                wire_datagram(sender, sequence, time.time_ns() // 1000, 1, f"host{sender}", "attack", [message])])

        for sequence in range(10):
            send(1, sequence, f"good {sequence}")
            send(2, sequence, f"honest {sequence}")
        for sequence in (2**63, 2**63 - 1, LAST - 1, 0, 2**62, 1):
            send(1, sequence, f"wild {sequence}")
        for _ in range(5):
            send(3, LAST, "five times")
        for sequence in range(10, 20):
            send(1, sequence, f"good {sequence}")
            send(2, sequence, f"honest {sequence}")
        ledger = until("all are counted", lambda: (ledger := metlog.ledger())["received"] >= 51 and ledger)
        assert 0 <= ledger["lost"] <= LOST_MAX, f"lost: {ledger['lost']}"
        rows = {row["hostname"]: row for row in metlog.sql("select hostname, lost, duplicates from senders")}
        assert rows["host2"]["lost"] == 0, f"another sender's row: {rows}"
        for row in rows.values():
            assert 0 <= row["lost"] <= LOST_MAX, f"lost: {rows}"
        metrics = metlog.get("/metrics").decode()
        told = next(line for line in metrics.splitlines() if line.startswith("metlog_datagrams_lost_total"))
        assert 0 <= float(told.split()[-1]) <= LOST_MAX, told
        counts = {row["payload"]: row["n"] for row in metlog.sql(
            "select payload, count(*) as n from messages where type = 'forged' group by payload")}
        assert counts.get("five times", 0) <= 1, f"stored {counts['five times']} times"
        honest = sum(1 for payload in counts if payload.startswith("honest"))
        assert honest == 20, f"{honest} of 20 of the honest sender's messages"
        assert all(count == 1 for count in counts.values()), f"stored more than once: {counts}"
        metlog.kill()
        metlog.start()
        assert 0 <= metlog.ledger()["lost"] <= LOST_MAX, "after a restart"
        return f"lost {ledger['lost']}, {len(counts)} of 51 stored, each once"


main(attack)
