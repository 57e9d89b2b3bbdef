"""Clients of Jaeger, Zipkin and Milo against `metlog up`: every span that each says it sent is there, once and equal; what
was acknowledged over TCP survives `kill -9`; the samplers of clients follow what they are told.

    python3 tracers.py BINARY NODE_MODULES

Runs in the environment of old tracing clients: see `xtask/src/setup.rs`.
"""
import collections, contextlib, http.client, json, os, pathlib, random, socket, struct, subprocess, sys, threading, time, urllib.error, urllib.request, zlib
import grpc
from metlog_process import balanced, free_port, run, running, until

NODE_MODULES = sys.argv[2]
SENDERS = pathlib.Path(__file__).resolve().parent / "tracers"
TCP = ("jaeger_http", "jaeger_grpc", "zipkin", "scribe", "milo", "sampling", "otlp_grpc", "otlp_http")


@contextlib.contextmanager
def tracing(binary, **options):
    """A running metlog; `ports[key]` is that of each address for tracing."""
    ports = {key: free_port() for key in TCP} | {key: free_port(socket.SOCK_DGRAM) for key in ("jaeger_compact", "jaeger_binary")}
    listener = "".join(f'{key} = "127.0.0.1:{port}"\n' for key, port in ports.items())
    with running(binary, listener=listener, **options) as metlog:
        metlog.ports = ports
        yield metlog


def python(client, *ports):
    return [sys.executable, SENDERS / "send.py", client, *map(str, ports)]


def node(client, *ports):
    return ["node", SENDERS / "send.js", client, *map(str, ports)]


def said(command):
    """What a client says it sent."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "NODE_PATH": NODE_MODULES})
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    spans = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert spans, f"{command} sent nothing"
    return spans


def differences(metlog, spans):
    """How the stored spans of the services that a client sent differ from what it says."""
    services = ", ".join(f"'{service}'" for service in sorted({span["service"] for span in spans}))
    count = f"select count(*) as n from spans where service in ({services})"
    until(f"{len(spans)} spans of {services}", lambda: metlog.one(count) >= len(spans))
    rows = metlog.sql(f"select trace_id, span_id, parent_span_id, service, name, kind, attributes from spans where service in ({services})")
    there = collections.defaultdict(list)
    for row in rows:
        there[row["trace_id"], row["span_id"], row["kind"]].append(row)
    wrong = [f"{len(rows)} rows instead of {len(spans)}"] if len(rows) != len(spans) else []
    for span in spans:
        found = there.get((span["trace"], span["span"], span["kind"]), [])
        same = [row for row in found if (row["parent_span_id"], row["service"], row["name"]) == (span["parent"], span["service"], span["name"])
                and all(row["attributes"].get(key) == text for key, text in span["tags"].items())]
        if len(found) != 1 or len(same) != 1:
            wrong.append(f"{span}: {found}")
    return wrong[:3]


def every_span_that_a_client_says_it_sent(binary):
    with tracing(binary) as metlog:
        port = metlog.ports
        commands = [python("jaeger_client", port["jaeger_compact"], port["sampling"]), python("otel_thrift_udp", port["jaeger_compact"]),
                    python("otel_thrift_http", port["jaeger_http"]), python("otel_grpc", port["jaeger_grpc"]), python("py_zipkin", port["zipkin"]),
                    python("scribe", port["scribe"]), node("jaeger_client", port["jaeger_compact"], port["sampling"]),
                    node("otel_jaeger_udp", port["jaeger_binary"]), node("otel_jaeger_http", port["jaeger_http"]),
                    node("otel_zipkin", port["zipkin"]), node("zipkin", port["zipkin"])]
        wrong, count = [], 0
        for command in commands:
            spans = said(command)
            count += len(spans)
            found = differences(metlog, spans)
            if found:
                wrong.append(f"{command[1].name} {command[2]}: {found}")
        assert not wrong, "; ".join(wrong)
        assert metlog.one("select count(*) as n from messages where logger = 'web' and payload = 'GET /'") == 1, "an entry of Scribe that is no span"
        ledger = metlog.ledger()
        balanced(ledger)
        assert ledger["rejected"] == 0, ledger
        return f"{count} spans of {len(commands)} clients"


def samplers_do_what_they_are_told(binary):
    with tracing(binary, extra="[sampling]\nprobability = 0.25\n") as metlog:
        def strategy(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{metlog.ports['sampling']}{path}", timeout=10) as answer:
                return json.loads(answer.read())
        assert strategy("/sampling?service=a") == strategy("/api/sampling?service=a") == {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.25}}
        assert strategy("/?service=a")["strategyType"] == 0
        for bad in ("/sampling", "/sampling?service=a&service=b"):
            try:
                strategy(bad)
                raise AssertionError(bad)
            except urllib.error.HTTPError as error:
                assert error.code == 400, error.code
        call = grpc.insecure_channel(f"127.0.0.1:{metlog.ports['sampling']}").unary_unary("/jaeger.api_v2.SamplingManager/GetSamplingStrategy")
        assert call(b"\x0a\x01a", timeout=10) == b"\x12\x09\x09" + struct.pack("<d", 0.25)
        (told,) = said(node("sampler", metlog.ports["sampling"]))
        assert 2200 < told["sampled"] < 2800, told
        return f"{told['sampled']} of 10000 sampled at 0.25"


def adapted_probabilities_follow_the_traffic_and_survive_a_restart(binary):
    """Root spans of a busy operation lower its probability within two steps of 10 s; a kill keeps it."""
    adaptive = "[sampling]\nadaptive = true\ntarget_per_second = 1.0\ninitial_probability = 0.5\n"
    with tracing(binary, extra=adaptive) as metlog:
        def listed():
            with urllib.request.urlopen(f"http://127.0.0.1:{metlog.ports['sampling']}/sampling?service=busy", timeout=10) as answer:
                strategy = json.loads(answer.read())["operationSampling"]
            return {of["operation"]: of["probabilisticSampling"]["samplingRate"] for of in strategy["perOperationStrategies"]}
        assert listed() == {}
        # 400 root spans of 0.5 are 80 traces a second of a step.
        spans = [{"traceId": f"{nth + 1:032x}", "id": f"{nth + 1:016x}", "name": "GET /", "localEndpoint": {"serviceName": "busy"}} for nth in range(400)]
        post(metlog, "zipkin", "/api/v2/spans", json.dumps(spans).encode(), "application/json")
        adapted = until("a lower probability", lambda: (of := listed()) and of["GET /"] < 0.1 and of, seconds=40)
        metlog.kill()
        metlog.start()
        again = listed()
        assert set(again) == {"GET /"} and again["GET /"] < 0.3, (adapted, again)
        return f"0.5 became {adapted['GET /']:.4f}"


def post(metlog, key, path, body, content_type):
    connection = http.client.HTTPConnection("127.0.0.1", metlog.ports[key], timeout=30)
    connection.request("POST", path, body, {"Content-Type": content_type})
    status = connection.getresponse().status
    connection.close()
    assert status == 202, status


class Intake(threading.Thread):
    """Sends requests with ten spans each through one intake, and remembers which were acknowledged."""
    SPANS = 10

    def __init__(self, metlog, key, first):
        super().__init__(daemon=True)
        self.metlog, self.key, self.next, self.acknowledged, self.going = metlog, key, first, [], True
        self.start()

    def run(self):
        while self.going:
            ids = range(self.next, self.next + self.SPANS)
            self.next += self.SPANS
            try:
                getattr(self, self.key)(ids)
                self.acknowledged.extend(ids)
            except (OSError, http.client.HTTPException, AssertionError, grpc.RpcError, EOFError):
                time.sleep(0.05)

    def zipkin(self, ids):
        spans = [{"traceId": "1", "id": f"{nth:016x}", "name": "z", "timestamp": int(time.time() * 1e6)} for nth in ids]
        post(self.metlog, "zipkin", "/api/v2/spans", json.dumps(spans).encode(), "application/json")

    def jaeger_http(self, ids):
        now = int(time.time() * 1e6)
        span = lambda nth: struct.pack(">bhq", 10, 1, 1) + struct.pack(">bhq", 10, 3, nth) + struct.pack(">bhq", 10, 8, now) + b"\0"
        process = struct.pack(">bhbhi", 12, 1, 11, 1, 4) + b"kill\0"
        batch = process + struct.pack(">bhbi", 15, 2, 12, len(ids)) + b"".join(map(span, ids)) + b"\0"
        post(self.metlog, "jaeger_http", "/api/traces", batch, "application/x-thrift")

    def jaeger_grpc(self, ids):
        field = lambda number, content: bytes([number << 3 | 2, len(content)]) + content
        varint = lambda number: bytes([number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128, number >> 21 & 127 | 128, number >> 28])
        span = lambda nth: field(1, b"\0" * 15 + b"\1") + field(2, struct.pack(">q", nth)) + field(6, b"\x08" + varint(int(time.time())))
        batch = b"".join(field(1, span(nth)) for nth in ids)
        request = b"\x0a" + bytes([len(batch) & 127 | 128, len(batch) >> 7]) + batch
        with grpc.insecure_channel(f"127.0.0.1:{self.metlog.ports['jaeger_grpc']}") as channel:
            channel.unary_unary("/jaeger.api_v2.CollectorService/PostSpans")(request, timeout=30)

    def scribe(self, ids):
        now = int(time.time() * 1e6)
        def entry(nth):
            span = struct.pack(">bhq", 10, 1, 1) + struct.pack(">bhq", 10, 3, nth) + struct.pack(">bhbi", 15, 7, 12, 1)
            span += struct.pack(">bhqbhi", 10, 1, now, 8, 2, 3) + b"\0\0"
            message = b"\x8b\xad\xf0\x0d" + struct.pack(">i", len(span)) + span
            return struct.pack(">bhi", 11, 1, 10) + b"Milo-Trace" + struct.pack(">bhi", 11, 2, len(message)) + message + b"\0"
        call = struct.pack(">i", 3) + b"Log" + struct.pack(">bi", 1, 0) + struct.pack(">bhbi", 15, 1, 12, len(ids)) + b"".join(map(entry, ids)) + b"\0"
        with socket.create_connection(("127.0.0.1", self.metlog.ports["scribe"]), timeout=30) as stream:
            stream.sendall(struct.pack(">i", len(call)) + call)
            reply = b""
            while len(reply) < 4 or len(reply) < 4 + struct.unpack(">i", reply[:4])[0]:
                part = stream.recv(1000)
                if not part:
                    raise EOFError
                reply += part
        assert struct.unpack(">i", reply[-5:-1])[0] == 0, reply


def what_was_acknowledged_survives_kills(binary):
    with tracing(binary) as metlog:
        keys = ("zipkin", "jaeger_http", "jaeger_grpc", "scribe")
        intakes = [Intake(metlog, key, (nth + 1) << 40) for nth, key in enumerate(keys)]
        chance = random.Random()
        for _ in range(4):
            time.sleep(0.5 + chance.random())
            metlog.kill()
            metlog.start()
        time.sleep(1)
        for intake in intakes:
            intake.going = False
        for intake in intakes:
            intake.join()
        twice = metlog.sql("select span_id, count(*) as n from spans group by span_id having count(*) > 1 limit 3")
        assert not twice, twice
        there = {int(row["span_id"], 16) for row in metlog.sql("select span_id from spans")}
        counts = []
        for intake in intakes:
            assert intake.acknowledged, f"nothing went through {intake.key}"
            missing = set(intake.acknowledged) - there
            assert not missing, f"{len(missing)} of {len(intake.acknowledged)} acknowledged by {intake.key} are missing"
            counts.append(f"{len(intake.acknowledged)} by {intake.key}")
        balanced(metlog.ledger())
        return f"4 kills, {', '.join(counts)}"


def jaeger_shows_what_its_clients_sent(binary):
    """By Jaeger's API: each tag once and in its order, types, logs, references and flags."""
    with tracing(binary) as metlog:
        spans = said(python("jaeger_client", metlog.ports["jaeger_compact"], metlog.ports["sampling"]))
        assert not (wrong := differences(metlog, spans)), wrong
        parent, child = next((a, b) for a in spans for b in spans if b["parent"] == a["span"])
        trace = json.loads(metlog.get(f"/api/traces/{parent['trace']}"))["data"][0]
        shown = {span["spanID"]: span for span in trace["spans"]}
        of, inner = shown[parent["span"]], shown[child["span"]]
        tags = [(tag["key"], tag["type"], tag["value"]) for tag in of["tags"]]
        # The client adds those of the sampler itself, before or behind.
        own = [tag for tag in tags if not tag[0].startswith("sampler.")]
        status, ratio = int(parent["tags"]["http.status_code"]), float(parent["tags"]["ratio"])
        assert own == [("span.kind", "string", "server"), ("http.status_code", "int64", status), ("ratio", "float64", ratio),
                       ("ok", "bool", parent["tags"]["ok"] == "true"), ("text", "string", "gr\u00fc\u00df")], own
        fields = [(field["key"], field["type"]) for field in of["logs"][0]["fields"]]
        assert fields == [("event", "string"), ("nth", "int64")], fields
        assert of["flags"] == 1 and not of["references"], of
        assert [(ref["refType"], ref["spanID"]) for ref in inner["references"]] == [("CHILD_OF", parent["span"])], inner
        process = trace["processes"][of["processID"]]
        keys = {tag["key"] for tag in process["tags"]}
        assert process["serviceName"] == "py-jaeger" and {"hostname", "ip", "jaeger.version"} <= keys, process
        return f"{len(tags)} tags"


def memory(metlog):
    """The most memory that the process had, in MiB."""
    status = pathlib.Path(f"/proc/{metlog.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def what_is_hostile_is_refused_and_counted(binary):
    """Claims of gigabytes, bombs, wrong types and half calls: each is refused, none allocates what it claims."""
    def answer(key, path, body, content_type, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", metlog.ports[key], timeout=60)
        connection.request("POST", path, body, {"Content-Type": content_type, **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    with tracing(binary) as metlog:
        before = memory(metlog)
        claim = b"\x80\x01\x00\x04\0\0\0\x09emitBatch\0\0\0\0\x0c\0\x01\x0f\0\x02\x0c\x7f\xff\xff\xff"
        compact = b"\x82\x81\x00\x09emitBatch\x1c\x29\xfc\xff\xff\xff\xff\x07"
        deep = b"\x82\x81\x00\x09emitBatch" + b"\x1c" * 60_000
        metlog.send(metlog.ports["jaeger_binary"], [claim.ljust(60, b"\0"), b"\x80", b"", b"GET / HTTP/1.1"])
        metlog.send(metlog.ports["jaeger_compact"], [compact.ljust(60, b"\0"), deep, b"\x82\x81\x00\x0femitZipkinBatch\x19\xfc\xff\xff\xff\x07"])
        bomb = zlib.compress(b"[" * (200 << 20), 9)
        wanted = [
            (400, answer("jaeger_http", "/api/traces", b"x", "application/x-thrift")),
            (400, answer("jaeger_http", "/api/traces", claim[17:], "application/x-thrift")),
            (400, answer("jaeger_http", "/api/traces", b"{}", "application/json")),
            (202, answer("jaeger_http", "/api/traces", b"\0", "application/x-thrift")),
            (405, answer("jaeger_http", "/api/sampling", b"", "text/plain")),
            (400, answer("zipkin", "/api/v2/spans", b"[{", "application/json")),
            (400, answer("zipkin", "/api/v2/spans", b'[{"traceId":"x","id":"1"}]', "application/json")),
            (202, answer("zipkin", "/api/v2/spans", b"[]", "application/json")),
            (202, answer("zipkin", "/api/v2/spans", b"", "application/x-protobuf")),
            (400, answer("zipkin", "/api/v1/spans", b"\x0c\x7f\xff\xff\xff\0", "application/x-thrift")),
            (400, answer("zipkin", "/api/v2/spans", b"no gzip", "application/json", **{"Content-Encoding": "gzip"})),
            (413, answer("zipkin", "/api/v2/spans", bomb, "application/json", **{"Content-Encoding": "deflate"})),
            (415, answer("zipkin", "/api/v2/spans", b"x", "application/json", **{"Content-Encoding": "br"})),
        ]
        assert not (wrong := [pair for pair in wanted if pair[0] != pair[1]]), wrong
        with grpc.insecure_channel(f"127.0.0.1:{metlog.ports['jaeger_grpc']}") as channel:
            call = channel.unary_unary("/jaeger.api_v2.CollectorService/PostSpans")
            assert call(b"", timeout=10) == b""
            try:
                call(b"\x0a\x05", timeout=10)
                raise AssertionError("half a request was taken")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        for frame in (struct.pack(">i", 0x7fffffff), struct.pack(">i", 20) + b"\x80\x01", struct.pack(">i", 4) + b"\xff" * 4):
            with socket.create_connection(("127.0.0.1", metlog.ports["scribe"]), timeout=30) as stream:
                stream.sendall(frame)
                stream.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    assert stream.recv(100) == b"", frame
        # What is good still goes through.
        post(metlog, "zipkin", "/api/v2/spans", b'[{"traceId":"1","id":"2","localEndpoint":{"serviceName":"good"}}]', "application/json")
        until("the good span", lambda: metlog.one("select count(*) as n from spans") == 1)
        ledger = metlog.ledger()
        balanced(ledger)
        grown = memory(metlog) - before
        assert ledger["rejected"] >= 12 and grown < 200, (ledger, grown)
        return f"{ledger['rejected']} rejected, {grown} MiB more memory"


run([every_span_that_a_client_says_it_sent, jaeger_shows_what_its_clients_sent, what_is_hostile_is_refused_and_counted, samplers_do_what_they_are_told, adapted_probabilities_follow_the_traffic_and_survive_a_restart,
     what_was_acknowledged_survives_kills], sys.argv[1])
