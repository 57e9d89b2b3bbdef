"""Small messages with times from 1970 to 9999, each in an hour of its own. They must not become an object each: what
comes beside them is stored in time, a query of all stays fast, and no row is lost or changed."""
import pathlib, random, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, accounted, attacked, main, objects, stored
from metlog_process import until

COUNT, PER_SECOND, SEED = 50_000, 20_000, 8
OBJECTS_MAX, QUERY_SECONDS_MAX, STORED_SECONDS_MAX = 1_000, 10, 30


def times(chance):
    for n in range(COUNT):
        year, month, day, hour = chance.randint(1970, 9999), chance.randint(1, 12), chance.randint(1, 28), chance.randint(0, 23)
        yield b'{"type":"t","payload":"%d","timestamp":"%04d-%02d-%02dT%02d:00:00Z"}' % (n, year, month, day, hour)


def attack(binary):
    with attacked(binary, roll="2s") as metlog:
        sender, datagrams = Sender(metlog.metlog), list(times(random.Random(SEED)))
        sender.send(datagrams, PER_SECOND)
        after = time.monotonic()
        sender.send([b'{"type":"after"}'] * 100, 1_000)
        ledger = accounted(metlog, COUNT + 100)
        until("what came afterwards is stored", lambda: metlog.ledger()["held"] == 0, STORED_SECONDS_MAX)
        took = time.monotonic() - after
        assert (count := len(objects(metlog))) <= OBJECTS_MAX, f"{count} objects of {COUNT} messages"
        began = time.monotonic()
        rows = metlog.sql("select count(*) as n, count(distinct payload) as d from messages where type = 't'")[0]
        seconds = time.monotonic() - began
        came = COUNT + 100 - ledger["dropped_by_kernel"]
        assert rows["d"] == rows["n"] and came - 100 <= rows["n"] <= COUNT, f"{came} came, and there are {rows}"
        years = metlog.sql(
            "select count(distinct extract(year from timestamp)) as years from messages where type = 't'")[0]["years"]
        assert years > 7_000, f"the times of {COUNT} messages are of {years} years"
        assert seconds <= QUERY_SECONDS_MAX, f"a query of all took {seconds:.1f} s"
        return f"{count} objects, stored after {took:.1f} s, a query of all {seconds:.2f} s, {metlog.peak_mib()} MiB"


main(attack)
