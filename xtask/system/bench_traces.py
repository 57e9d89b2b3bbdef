#!/usr/bin/env python3
"""Questions about traces over 10 million spans, a million traces of ten spans, sent over OTLP/HTTP and spread over 24 hours.

    python3 bench_traces.py --binary target/release/metlog [--traces N] [--turns N] [--folder FOLDER]

A folder that was filled before is used again. Each question is asked for other traces, services and users in every turn,
after one that is not counted; what is printed is a row for each question, with the slowest turn beside the median.
"""
import argparse, http.client, json, pathlib, statistics, sys, tempfile, threading, time, urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from metlog_process import Metlog, free_port
from otlp_bench import field, varint

TREE = 10  # spans of a trace
TRACES_A_BATCH = 50
SERVICES = [f"service-{n:02}" for n in range(20)]
OPERATIONS = [f"GET /api/v1/resource-{n:02}" for n in range(10)]
DAY = 24 * 3600 * 1_000_000_000
USERS = 1_000_000


def text(number, key, value):
    """An attribute: field `number`, its key and a text, or bytes in the place of one."""
    return field(number, field(1, key.encode()) + field(2, field(1, value if isinstance(value, bytes) else value.encode())))


class Template:
    """A request of `TRACES_A_BATCH` traces, with places for what differs: ids, times, the user's number.

    Span k of a trace is of service (trace + k), a child of span (k - 1) // 2. Marks are looked for once."""

    def __init__(self):
        import numpy
        self.numpy = numpy
        by_service = {}
        for trace in range(TRACES_A_BATCH):
            for k in range(TREE):
                by_service.setdefault((trace + k) % len(SERVICES), []).append((trace, k))
        self.order = [place for service in sorted(by_service) for place in by_service[service]]
        resources = b""
        for service, places in sorted(by_service.items()):
            resource = field(1, text(1, "service.name", SERVICES[service]) + text(1, "host.name", f"host-{service}"))
            spans = b"".join(field(2, self.span(*place)) for place in places)
            resources += field(1, resource + field(2, field(1, field(1, b"bench")) + spans))
        self.bytes = numpy.frombuffer(resources, dtype=numpy.uint8)
        found = lambda mark: numpy.array([n for n in range(len(resources)) if resources.startswith(mark, n)])
        self.at = {mark: found(mark * size)[:, None] + numpy.arange(size)
                   for mark, size in ((b"\xf1", 16), (b"\xf2", 8), (b"\xf3", 8), (b"\xf4", 8), (b"\xf5", 8), (b"\xf6", 7))}
        assert {len(places) for mark, places in self.at.items() if mark != b"\xf3"} == {len(self.order)}

    def span(self, trace, k):
        service, status = (trace + k) % len(SERVICES), 500 if (trace * TREE + k) % 97 == 0 else 200
        parent = field(4, b"\xf3" * 8) if k else b""
        times = varint(7 << 3 | 1) + b"\xf4" * 8 + varint(8 << 3 | 1) + b"\xf5" * 8
        operation = OPERATIONS[(trace * 3 + k) % len(OPERATIONS)]
        return (field(1, b"\xf1" * 16) + field(2, b"\xf2" * 8) + parent + field(5, operation.encode()) + varint(6 << 3) + (b"\x02" if k % 2 == 0 else b"\x03") + times
                + text(9, "http.request.method", "GET") + text(9, "http.route", operation[4:]) + text(9, "http.response.status_code", str(status))
                + text(9, "server.address", f"shop-{service % 4}.example.org") + text(9, "url.scheme", "https")
                + text(9, "enduser.id", b"\xf6" * 7)
                + (field(15, b"\x18\x02") if status == 500 else b""))

    def filled(self, random, begin):
        """A request whose traces begin at `begin` ns, and the id and user of its first trace."""
        numpy = self.numpy
        out = self.bytes.copy()
        trace_ids = random.integers(0, 256, (TRACES_A_BATCH, 16), dtype=numpy.uint8)
        span_ids = random.integers(1, 256, (TRACES_A_BATCH, TREE, 8), dtype=numpy.uint8)
        users = random.integers(0, USERS, TRACES_A_BATCH)
        starts = begin + random.integers(0, 1_000_000_000, TRACES_A_BATCH)
        takes = random.integers(1_000_000, 400_000_000, TRACES_A_BATCH)
        trace, k = numpy.array(self.order).T
        start = starts[trace] + k * 10_000
        digits = numpy.array([list(b"u%06d" % user) for user in users], dtype=numpy.uint8)
        as_bytes = lambda values: values.astype("<u8").view(numpy.uint8).reshape(-1, 8)
        out[self.at[b"\xf1"]] = trace_ids[trace]
        out[self.at[b"\xf2"]] = span_ids[trace, k]
        out[self.at[b"\xf3"]] = span_ids[trace, (k - 1) // 2][k > 0]
        out[self.at[b"\xf4"]] = as_bytes(start)
        out[self.at[b"\xf5"]] = as_bytes(start + takes[trace] // (k + 1))
        out[self.at[b"\xf6"]] = digits[trace]
        return out.tobytes(), (trace_ids[0].tobytes().hex(), "u%06d" % users[0])


def fill(metlog, port, traces, now):
    """Sends all, oldest first; the ids and users of some."""
    import numpy
    template, batches = Template(), traces // TRACES_A_BATCH
    known, at, lock, failed = [], iter(range(batches)), threading.Lock(), []

    def run():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (nth := take()) is not None:
            random = numpy.random.default_rng(nth)
            body, first = template.filled(random, now - DAY + nth * (DAY // batches))
            if nth % 100 == 0:
                known.append(first)
            while True:
                connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    break
                failed.append(response.status)
                time.sleep(0.2)

    def take():
        with lock:
            return next(at, None)

    threads = [threading.Thread(target=run) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    while (ledger := metlog.ledger())["held"] > 0:
        time.sleep(0.5)
    assert ledger["stored"] == batches * TRACES_A_BATCH * TREE, ledger
    return known


def questions(now):
    """Name, goal in ms, and what is asked in turn n of a known trace and user."""
    begin, second = lambda n: now - DAY + (n % 23) * (DAY // 24), 1_000
    window = lambda n: f"start={begin(n) // second}&end={(begin(n) + DAY // 24) // second}"
    quoted = urllib.parse.quote
    return [
        ("a trace by its id", 30, lambda n, trace, user: (f"/api/traces/{trace}", lambda found: len(found["data"][0]["spans"]) == TREE)),
        ("the newest 20 traces of a service and operation within an hour", 50,
         lambda n, trace, user: (f"/api/traces?service={SERVICES[n % 20]}&operation={quoted(OPERATIONS[n % 10])}&{window(n)}&limit=20", lambda found: len(found["data"]) == 20)),
        ("the newest 20 traces with an attribute, in all services and 24 hours", 500,
         lambda n, trace, user: (f"/api/traces?filter={quoted(f'attributes.enduser.id={user}')}&start={(now - DAY) // second}&end={now // second}&limit=20",
                                 lambda found: 1 <= len(found["data"]) <= 20)),
        ("dependencies of 24 hours", 1_000, lambda n, trace, user: (f"/api/dependencies?endTs={now // 1_000_000}&lookback=86400000", lambda found: len(found["data"]) >= 20)),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.folder or temporary)
        port, notes = free_port(), folder / "known.json"
        metlog = Metlog(options.binary, folder, listener=f'otlp_http = "127.0.0.1:{port}"\n', roll="30s", flush="10s")
        try:
            if not notes.exists():
                now = time.time_ns()
                notes.write_text(json.dumps([now, fill(metlog, port, options.traces, now)]))
            now, known = json.loads(notes.read_text())
            objects = list((folder / "warehouse/spans").rglob("*.parquet"))
            spans = options.traces * TREE
            print(f"{spans:,} spans in {len(objects)} objects, {sum(file.stat().st_size for file in objects) / spans:.1f} bytes a span\n")
            print("| question | goal, ms | median, ms | slowest, ms |\n|---|---|---|---|")
            for name, goal, ask in questions(now):
                taken = []
                for n in range(options.turns + 1):
                    path, right = ask(n, *known[n * 37 % len(known)])
                    begun = time.perf_counter()
                    found = json.loads(metlog.get(path))
                    taken.append((time.perf_counter() - begun) * 1000)
                    assert right(found), f"{path}: {str(found)[:500]}"
                print(f"| {name} | {goal} | {statistics.median(taken[1:]):.0f} | {max(taken[1:]):.0f} |", flush=True)
        finally:
            metlog.kill()


if __name__ == "__main__":
    main()
