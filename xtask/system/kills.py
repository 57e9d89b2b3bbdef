"""`kill -9` at random moments under load, with the store, carbon and an HTTP receiver failing in between.

    python3 kills.py BINARY [ROUNDS] [SEED]

What SQL had shown before a kill must be there afterwards, and each message that a request was answered for; nothing may be there twice; Parquet and Graphite must
agree on every window; the documents together must hold every message once; and the ledger must balance. Some wire
datagrams are sent twice, before and after a kill: the second is refused as a duplicate.
"""
import collections, http.client, json, os, random, socket, sys, threading, time, urllib.request
from metlog_process import Carbon, Receiver, balanced, free_port, run, running, until
from wire import wire_datagram

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 1_000_000


class WireSender:
    """One sender for the whole test: its sequence goes on over the kills, as that of a service that lives longer."""

    MESSAGES, SPANS, DATAGRAMS, AGAIN = 10, 2, 5, 20

    def __init__(self, sender):
        self.sender, self.sequence, self.sent, self.sent_again = sender, 0, collections.deque(maxlen=self.AGAIN), 0

    def new(self):
        """Some new datagrams, and the first of them again behind the others."""
        datagrams = [self._datagram() for _ in range(self.DATAGRAMS)]
        self.sent.extend(datagrams)
        return datagrams + self._again(datagrams[:1])

    def last(self):
        """The last ones again: after a kill some of them had come and some had not."""
        return self._again(list(self.sent))

    def _again(self, datagrams):
        self.sent_again += (self.MESSAGES + self.SPANS) * len(datagrams)
        return datagrams

    def _datagram(self):
        first = self.sequence * self.MESSAGES
        messages = [("wire", ["kills", str(n)], f"wire {n}", {"n": str(n)}) for n in range(first, first + self.MESSAGES)]
        ids = range(self.sequence * self.SPANS + 1, (self.sequence + 1) * self.SPANS + 1)
        spans = [(bytes(8) + id.to_bytes(8, "big"), id.to_bytes(8, "big"), bytes(8), "kill", time.time_ns(), 7, {"n": id}, [])
                 for id in ids]
        self.sequence += 1
        return wire_datagram(
            self.sender, self.sequence - 1, time.time_ns() // 1000, os.getpid(), "test", "kills", messages, spans)


class Requests(threading.Thread):
    """Posts messages by HTTP, one after the other over all kills, and remembers those that were answered with 200."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.url, self.name, self.sent, self.answered, self.ended = f"http://127.0.0.1:{port}/api/messages", name, 0, [], False
        self.start()

    def run(self):
        while not self.ended:
            ids = [f"{self.name}-{self.sent + n}" for n in range(5)]
            self.sent += 5
            body = "\n".join(json.dumps({"type": "http", "payload": id}) for id in ids)
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url, body.encode()), timeout=5) as answer:
                    if json.loads(answer.read())["accepted"] == 5:
                        self.answered.extend(ids)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)

    def end(self):
        self.ended = True
        self.join()
        return self.answered


class Spans(threading.Thread):
    """Exports spans over OTLP, one batch after the other over all kills, and remembers those that were acknowledged. Over
    HTTP in JSON, or over gRPC: by hand, on one HTTP/2 connection for each call, so that nothing has to be installed."""

    BATCH = 7

    def __init__(self, port, name, is_grpc):
        super().__init__(daemon=True)
        self.port, self.name, self.is_grpc, self.sent, self.answered, self.ended = port, name, is_grpc, 0, [], False
        self.start()

    def run(self):
        while not self.ended:
            names = [f"{self.name}-{self.sent + n}" for n in range(self.BATCH)]
            self.sent += self.BATCH
            try:
                if (self._grpc if self.is_grpc else self._http)(names):
                    self.answered.extend(names)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)

    def _http(self, names):
        spans = [{"traceId": f"{random.getrandbits(128) | 1:032x}", "spanId": f"{n + 1:016x}", "name": name,
                  "startTimeUnixNano": str(time.time_ns())} for n, name in enumerate(names)]
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/traces", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read()) == {}

    def _grpc(self, names):
        message = b""
        for n, name in enumerate(names):
            start = b"\x39" + time.time_ns().to_bytes(8, "little")
            span = b"\x0a\x10" + random.randbytes(15) + b"\x01\x12\x08" + (n + 1).to_bytes(8, "big") + b"\x2a" + bytes([len(name)]) + name.encode() + start
            message += b"\x12" + bytes([len(span)]) + span
        length = lambda size: bytes([size & 0x7F | 0x80, size >> 7])
        scope = b"\x12" + length(len(message)) + message
        return grpc_call(self.port, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", b"\x0a" + length(len(scope)) + scope) == b""

    def end(self):
        self.ended = True
        self.join()
        return self.answered


def grpc_call(port, path, message):
    """A call of one message over HTTP/2; its response, where gRPC's status is 0. Header fields are written as literals."""
    def frame(kind, flags, stream, content):
        return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content
    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    head = b"".join(literal(*pair) for pair in ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
        data = b"\x00" + len(message).to_bytes(4, "big") + message
        stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, head) + frame(0, 1, 1, data))
        reader, body, heads = stream.makefile("rb"), b"", 0
        while prefix := reader.read(9):
            length, kind, flags = int.from_bytes(prefix[:3], "big"), prefix[3], prefix[4]
            content = reader.read(length)
            if kind == 4 and not flags & 1:
                stream.sendall(frame(4, 1, 0, b""))
            elif kind == 0:
                body += content
            elif kind == 1:
                heads += 1
                if flags & 1:
                    # A failure is a head alone; a response has trailers behind its data.
                    return body[5:] if heads == 2 and body else None
            elif kind in (3, 7):
                return None
    raise OSError("the connection ended")


class Load(threading.Thread):
    """Sends numbered messages and increments until told to end."""

    def __init__(self, metlog, first, wire):
        super().__init__(daemon=True)
        self.metlog, self.next, self.wire, self.ended = metlog, first, wire, False
        self.start()

    def run(self):
        self.metlog.send(self.metlog.metlog, self.wire.last())
        while not self.ended:
            part = [json.dumps({"type": "kill", "payload": str(n)}) for n in range(self.next, self.next + 50)]
            self.next += 50
            self.metlog.send(self.metlog.metlog, part)
            self.metlog.send(self.metlog.metlog, self.wire.new())
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


def refused_only_what_came_twice(ledger, wire):
    duplicates = ledger["rejected_by_reason"].get("duplicate", 0)
    assert ledger["rejected"] == duplicates, f"refused for another reason (seed {SEED}): {ledger}"
    # What was sent while nobody listened came once or never, so only the upper bound is known.
    assert 0 < duplicates <= wire.sent_again, f"{duplicates} duplicates of {wire.sent_again} sent again (seed {SEED})"


def every_message_once(binary):
    visible = "select (select count(*) from messages where type in ('kill', 'wire', 'http')) + (select count(*) from spans)"
    chance = random.Random(SEED)
    wire = WireSender(random.Random(f"sender {SEED}").getrandbits(64))
    carbon, receiver = Carbon(), Receiver()
    port = free_port()
    otlp_http, otlp_grpc = free_port(), free_port()
    listener = f'http = "127.0.0.1:{port}"\notlp_http = "127.0.0.1:{otlp_http}"\notlp_grpc = "127.0.0.1:{otlp_grpc}"\n'
    with running(binary, carbon=carbon, receiver=receiver, flush="1s", roll="500ms", listener=listener) as metlog:
        requests = [Requests(port, name) for name in "ab"]
        exports = [Spans(otlp_http, "h", False), Spans(otlp_grpc, "g", True)]
        (metlog.folder / "warehouse").mkdir(exist_ok=True)
        number, seen = 0, 0
        for _ in range(ROUNDS):
            load = Load(metlog, number, wire)
            time.sleep(chance.uniform(0.05, 1.5))
            store_fails(metlog, True) if chance.random() < 0.3 else None
            receiver.away = chance.random() < 0.3
            carbon.close() if (down := chance.random() < 0.3) else None
            time.sleep(chance.uniform(0.0, 1.0))
            store_fails(metlog, False)
            seen = max(seen, metlog.one(visible))
            balanced(metlog.ledger())
            time.sleep(chance.uniform(0.0, 0.3))
            metlog.kill()
            carbon.open() if down else None
            number = load.end()
            metlog.start()
            again = metlog.one(visible)
            assert again >= seen, f"{seen} messages were visible before the kill, {again} after it (seed {SEED})"
            balanced(metlog.ledger())
        answered = [id for request in requests for id in request.end()]
        exported = {spans.name: spans.end() for spans in exports}
        rows = {}
        for kind in ("kill", "wire", "http"):
            found = metlog.sql(f"select count(*) as n, count(distinct payload) as d from messages where type = '{kind}'")[0]
            assert found["n"] == found["d"], f"{found['n'] - found['d']} of {kind} are there twice (seed {SEED})"
            rows[kind] = found["n"]
        spans = metlog.sql("select count(*) as n, count(distinct span_id) as d from spans where source = 'metlog'")[0]
        assert spans["n"] == spans["d"] > 0, f"spans are there twice or not at all: {spans} (seed {SEED})"
        # Whatever of a datagram is there, all of it is.
        assert spans["n"] * WireSender.MESSAGES == rows["wire"] * WireSender.SPANS, f"{spans} beside {rows} (seed {SEED})"
        stored = {row["payload"] for row in metlog.sql("select payload from messages where type = 'http'")}
        missing = [id for id in answered if id not in stored]
        assert answered and not missing, f"{len(missing)} of {len(answered)} were answered and are gone (seed {SEED})"
        acknowledged = collections.Counter(row["name"] for row in metlog.sql("select name from spans where source = 'otlp'"))
        twice = [name for name, times in acknowledged.items() if times > 1]
        assert not twice, f"{twice[:5]} are there twice (seed {SEED})"
        for sender, names in exported.items():
            missing = [name for name in names if name not in acknowledged]
            assert names and not missing, f"{len(missing)} of {len(names)} spans of {sender} were acknowledged and are gone (seed {SEED})"
        messages = sum(rows.values())
        receiver.away = False
        until("nothing is held", lambda: metlog.ledger()["held"] == 0)
        ledger = metlog.ledger()
        balanced(ledger)
        refused_only_what_came_twice(ledger, wire)
        counted = metlog.one("select cast(sum(count) as bigint) from metrics where name in ('kills.hits', 'kills.time')")
        # Each datagram had one value for each of three names, so the gauge's values are half of the others'.
        assert ledger["stored"] == messages + spans["n"] + len(acknowledged) + counted * 3 // 2, f"{ledger} but {rows} and {counted} (seed {SEED})"
        depth = metlog.sql("select value from metrics where name = 'kills.depth' order by timestamp desc limit 1")[0]
        assert depth["value"] == counted / 2, f"the gauge is {depth}, the counter {counted / 2} (seed {SEED})"
        windows = {r["t"]: r["n"] for r in metlog.sql(
            "select cast(extract(epoch from timestamp) as bigint) as t, sum(count) as n from metrics where name = 'kills.hits' group by 1")}
        told = {t: v for (path, t), v in carbon.last().items() if path == "stats.counters.kills.hits.count" and v}
        assert told == windows, f"Graphite and Parquet differ: {set(told.items()) ^ set(windows.items())} (seed {SEED})"
        metlog.stop()
        documents_hold_each_once(receiver, messages)
        return f"{ROUNDS} kills, {rows} messages, {spans['n']} spans and {counted * 3 // 2} values, {len(acknowledged)} spans of OTLP, each once, {len(answered)} and {sum(map(len, exported.values()))} answered; seed {SEED}"


run([every_message_once], sys.argv[1])
