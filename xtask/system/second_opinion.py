"""etsy's own statsd (npm `statsd`) and metlog are sent the same lines; Graphite must be told the same numbers.

    python3 second_opinion.py BINARY NODE_MODULES       (with the package statsd of PyPI)

Half of the lines are written by PyPI's client, so that a second encoder is tried too.
"""
import contextlib, pathlib, random, socket, subprocess, sys, tempfile, time
import statsd as pystatsd
from metlog_process import Carbon, balanced, free_port, run, running, until

NODE_MODULES = pathlib.Path(sys.argv[2])
FLUSH_SECONDS = 2
PERCENTILES = "[90, -10, 99.9]"
WANTED = "stats.timers.one.count"


@contextlib.contextmanager
def etsy(carbon, legacy):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port(socket.SOCK_DGRAM)
        config = pathlib.Path(folder) / "config.js"
        config.write_text(
            f"{{ port: {port}, address: '127.0.0.1', mgmt_port: {free_port()}, mgmt_address: '127.0.0.1', graphiteHost: '127.0.0.1', "
            f"graphitePort: {carbon.port}, flushInterval: {FLUSH_SECONDS * 1000}, percentThreshold: {PERCENTILES}, "
            f"backends: ['./backends/graphite'], graphite: {{ legacyNamespace: {str(legacy).lower()} }} }}")
        process = subprocess.Popen(["node", str(NODE_MODULES / "statsd" / "stats.js"), str(config)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("statsd listens", lambda: f":{port:04X} " in pathlib.Path("/proc/net/udp").read_text())
            yield port
        finally:
            process.kill()
            process.wait()


class Lines:
    """A socket's place for PyPI's client: keeps the datagrams."""

    def __init__(self):
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.receiver.settimeout(1)
        self.client = pystatsd.StatsClient("127.0.0.1", self.receiver.getsockname()[1])

    def take(self, count):
        return [self.receiver.recv(65536).decode() for _ in range(count)]


def lines():
    chance = random.Random(7)
    written = Lines()
    written.client.incr("py.hits", 3)
    written.client.decr("py.hits")
    written.client.timing("py.time", 12.5)
    written.client.gauge("py.depth", 7)
    written.client.gauge("py.depth", -2, delta=True)
    written.client.set("py.who", "jo")
    out = written.take(6)
    out += [f"t.{chance.randrange(3)}:{chance.randrange(1, 5000)}|ms" for _ in range(300)]
    out += [f"f:{chance.uniform(0, 10):.3f}|ms|@0.5" for _ in range(41)]
    out += ["one:5|ms", "c:1|c", "c:2.5|c|@0.1", "c:-1|c", "multi:1|c:2|c:3|ms", "a b/c$d:1|c", "g:3|g", "g:+2|g", "g:-9|g", "s:a|s\ns:b|s\ns:a|s", "bad", "bad:x|c", "odd:4|m", "odd:1|meter|@0.5"]
    return out


def told(carbon):
    """Path to value of the flush that had the lines, zeros too, without what only the clock decides; empty before it."""
    skip = ("graphiteStats", "processing_time", "timestamp_lag", "packets_received", "numStats")
    last = carbon.last()
    flush = next((at for (path, at), value in last.items() if path == WANTED and value), None)
    return {path: value for (path, at), value in last.items() if at == flush and not any(word in path for word in skip)}


def agree(ours, theirs):
    """A series that only one side has is wrong, unless it is zero."""
    if ours is None or theirs is None:
        return not ours and not theirs
    return abs(ours - theirs) <= 1e-9 * max(1, abs(ours), abs(theirs))


def compare(binary, legacy):
    ours, theirs = Carbon(), Carbon()
    with running(binary, carbon=ours, flush=f"{FLUSH_SECONDS}s") as metlog, etsy(theirs, legacy) as port:
        config = metlog.config.read_text().replace("percentiles = [90]", f"percentiles = {PERCENTILES}")
        config = config.replace("[sink.graphite]", f"[sink.graphite]\nlegacy_namespace = {str(legacy).lower()}")
        metlog.stop()
        metlog.config.write_text(config)
        metlog.start()
        # Just after a flush of each, so that everything falls into one window.
        for name, carbon, to in (("statsd", theirs, port), ("metlog", ours, metlog.statsd)):
            if name == "statsd":
                before = len(carbon.lines)
                until("statsd flushes", lambda: len(carbon.lines) > before)
            else:
                time.sleep(FLUSH_SECONDS - time.time() % FLUSH_SECONDS + 0.05)
            metlog.send(to, lines())
        for carbon in (ours, theirs):
            until("the lines are told", lambda: told(carbon))
        time.sleep(0.3)
        a, b = told(ours), told(theirs)
        wrong = {path: (a.get(path), b.get(path)) for path in a.keys() | b.keys() if not agree(a.get(path), b.get(path))}
        assert not wrong, f"(ours, etsy's): {wrong}"
        balanced(metlog.ledger())
        return f"{len(a)} values agree"


def new_namespace(binary):
    return compare(binary, legacy=False)


def legacy_namespace(binary):
    return compare(binary, legacy=True)


run([new_namespace, legacy_namespace], sys.argv[1])
