"""`kill -9` at random moments under load, with the store, carbon and an HTTP receiver failing in between.

    python3 kills.py BINARY [ROUNDS] [SEED]

What SQL had shown before a kill must be there afterwards; nothing may be there twice; Parquet and Graphite must
agree on every window; the documents together must hold every message once; and the ledger must balance.
"""
import collections, json, random, sys, threading, time
from metlog_process import Carbon, Receiver, balanced, run, running, until

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 1_000_000


class Load(threading.Thread):
    """Sends numbered messages and increments until told to end."""

    def __init__(self, metlog, first):
        super().__init__(daemon=True)
        self.metlog, self.next, self.ended = metlog, first, False
        self.start()

    def run(self):
        while not self.ended:
            part = [json.dumps({"type": "kill", "payload": str(n)}) for n in range(self.next, self.next + 50)]
            self.next += 50
            self.metlog.send(self.metlog.metlog, part)
            self.metlog.send(self.metlog.statsd, ["kills.hits:1|c\nkills.time:3|ms\nkills.depth:+1|g"] * 20)
            time.sleep(0.001)

    def end(self):
        self.ended = True
        self.join()
        return self.next


def store_fails(metlog, fails):
    """The warehouse is a folder; a file in its place fails every write."""
    warehouse, away = metlog.folder / "warehouse", metlog.folder / "warehouse.away"
    if fails and not away.exists():
        warehouse.rename(away)
        warehouse.write_text("no folder")
    if not fails and away.exists():
        warehouse.unlink()
        away.rename(warehouse)


def documents_hold_each_once(receiver, number):
    # A document's name is made of its content, so one that changed between two attempts would be there twice.
    sent = collections.Counter(message["payload"] for bodies in receiver.documents.values() for message in json.loads(bodies[0]))
    twice = [payload for payload, times in sent.items() if times > 1]
    assert len(sent) == number and not twice, f"{len(sent)} of {number} in documents, twice {twice[:5]} (seed {SEED})"


def every_message_once(binary):
    chance = random.Random(SEED)
    carbon, receiver = Carbon(), Receiver()
    with running(binary, carbon=carbon, receiver=receiver, flush="1s", roll="500ms") as metlog:
        (metlog.folder / "warehouse").mkdir(exist_ok=True)
        number, seen = 0, 0
        for _ in range(ROUNDS):
            load = Load(metlog, number)
            time.sleep(chance.uniform(0.05, 1.5))
            store_fails(metlog, True) if chance.random() < 0.3 else None
            receiver.away = chance.random() < 0.3
            carbon.close() if (down := chance.random() < 0.3) else None
            time.sleep(chance.uniform(0.0, 1.0))
            store_fails(metlog, False)
            seen = max(seen, metlog.one("select count(*) from messages where type = 'kill'"))
            balanced(metlog.ledger())
            time.sleep(chance.uniform(0.0, 0.3))
            metlog.kill()
            carbon.open() if down else None
            number = load.end()
            metlog.start()
            again = metlog.one("select count(*) from messages where type = 'kill'")
            assert again >= seen, f"{seen} messages were visible before the kill, {again} after it (seed {SEED})"
            balanced(metlog.ledger())
        rows = metlog.sql("select count(*) as n, count(distinct payload) as d from messages where type = 'kill'")[0]
        assert rows["n"] == rows["d"], f"{rows['n'] - rows['d']} messages are there twice (seed {SEED})"
        receiver.away = False
        until("nothing is held", lambda: metlog.ledger()["held"] == 0)
        ledger = metlog.ledger()
        balanced(ledger)
        counted = metlog.one("select cast(sum(count) as bigint) from metrics where name in ('kills.hits', 'kills.time')")
        # Each datagram had one value for each of three names, so the gauge's values are half of the others'.
        assert ledger["stored"] == rows["n"] + counted * 3 // 2, f"{ledger} but {rows} and {counted} (seed {SEED})"
        depth = metlog.sql("select value from metrics where name = 'kills.depth' order by timestamp desc limit 1")[0]
        assert depth["value"] == counted / 2, f"the gauge is {depth}, the counter {counted / 2} (seed {SEED})"
        windows = {r["t"]: r["n"] for r in metlog.sql(
            "select cast(extract(epoch from timestamp) as bigint) as t, sum(count) as n from metrics where name = 'kills.hits' group by 1")}
        told = {t: v for (path, t), v in carbon.last().items() if path == "stats.counters.kills.hits.count" and v}
        assert told == windows, f"Graphite and Parquet differ: {set(told.items()) ^ set(windows.items())} (seed {SEED})"
        metlog.stop()
        documents_hold_each_once(receiver, rows["n"])
        return f"{ROUNDS} kills, {rows['n']} messages and {counted * 3 // 2} values, each once; seed {SEED}"


run([every_message_once], sys.argv[1])
