"""One span with a million attributes, names of 64 KiB, and a trace of a million spans, over OTLP/HTTP: taken or refused with a
reason, counted, and whatever was taken is there once; the trace is answered within the limits that are documented."""
import http.client, json, pathlib, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import attacked, in_background, main, stored
from metlog_process import free_port
from otlp_bench import field, text, varint

ATTRIBUTES, SPANS, SPANS_A_REQUEST = 1_000_000, 1_000_000, 20_000
# A response of 200,000 spans takes some 430 MiB while it is made; two are read at a time, while a third may be written.
LIMIT_MIB = 512 + 3 * 430
TRACE, WIDE, LONG = b"\x0a" * 16, b"\x0b" * 16, b"\x0c" * 16


def span(trace, nth, parent, more=b"", name=b"work"):
    at = (time.time_ns() + nth).to_bytes(8, "little")
    parent = field(4, (parent + 1).to_bytes(8, "big")) if parent >= 0 else b""
    return (field(1, trace) + field(2, (nth + 1).to_bytes(8, "big")) + parent + field(5, name) + b"\x39" + at + b"\x41" + at + more)


def request(spans):
    resource = field(1, field(1, field(1, b"service.name") + field(2, field(1, b"large"))))
    return field(1, resource + field(2, b"".join(field(2, one) for one in spans)))


def attack(binary):
    port = free_port()
    with attacked(binary, roll="5s", limit_mib=LIMIT_MIB, listener=f'otlp_http = "127.0.0.1:{port}"\n') as metlog:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

        def post(body):
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            response = connection.getresponse()
            return response.status, response.read()

        attributes = b"".join(text(f"k{n}", "v") for n in range(ATTRIBUTES))
        wide, said = post(request([span(WIDE, 0, -1, attributes)]))
        long, _ = post(request([span(LONG, 0, -1, text("k" * 65_536, "v" * 65_536), b"n" * 65_536)]))
        assert wide in (200, 400, 413) and long == 200, (wide, long)
        # Taken, or named as what of the request was not.
        taken = wide == 200 and b"rejected" not in said
        for first in range(0, SPANS, SPANS_A_REQUEST):
            while (answer := post(request(span(TRACE, n, n // 2 if n else -1) for n in range(first, first + SPANS_A_REQUEST))))[0] in (429, 503):
                time.sleep(0.2)
            assert answer[0] == 200, answer
        stored(metlog, 120)
        count = lambda trace: metlog.one(f"select count(*) from spans where trace_id = '{trace.hex()}'")
        assert count(TRACE) == SPANS and count(LONG) == 1, (count(TRACE), count(LONG))
        assert taken == (count(WIDE) == 1), (wide, said, count(WIDE))
        if taken:
            kept = metlog.one(f"select cardinality(attributes) from spans where trace_id = '{WIDE.hex()}'")
            assert kept == ATTRIBUTES, kept
        readers = [in_background(metlog.get, f"/api/traces/{TRACE.hex()}") for _ in range(4)]
        trace = json.loads(metlog.get(f"/api/traces/{TRACE.hex()}"))["data"][0]
        [reader.join() for reader in readers]
        assert len(trace["spans"]) <= 200_000 and "warnings" in json.dumps(trace)[-200_000:], len(trace["spans"])
        page = metlog.get(f"/traces/{TRACE.hex()}")
        assert len(page) < 2_000_000, len(page)
        return f"a span of a million attributes: {wide} {said[:200]}; a trace of a million spans stored, a page of {len(page) // 1000} kB of it, {metlog.peak_mib()} MiB"


main(attack)
