#!/usr/bin/env python3
"""OTLP/HTTP protobuf in batches of 512 spans with ten attributes, 365 bytes a span: spans for each CPU second of the process.

    python3 otlp_bench.py --binary target/release/metlog [--rotel ROTEL] [--batches N] [--rate SPANS_A_SECOND] [--turns N]

Every span has ids of its own. metlog writes a synced journal and Parquet; rotel, where it is given, runs into its blackhole
in turns with it. What is printed is a row for each run.
"""
import argparse, http.client, json, os, pathlib, socket, subprocess, sys, tempfile, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from metlog_process import Metlog, free_port

SPANS = 512
ROUTES = ["/", "/cart", "/checkout", "/product/{id}", "/login", "/api/v1/items", "/api/v1/users/{id}", "/health"]


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(key, value):
    return field(9, field(1, key.encode()) + field(2, field(1, value.encode())))


def integer(key, value):
    return field(9, field(1, key.encode()) + field(2, b"\x18" + varint(value)))


def span(nth, now):
    start, route = now + nth * 1_000_003, ROUTES[nth % len(ROUTES)]
    took = 1_000_000 + (nth * 7_919) % 9_000_000
    fixed = lambda number, value: varint(number << 3 | 1) + value.to_bytes(8, "little")
    return (field(1, os.urandom(16)) + field(2, os.urandom(8)) + field(4, os.urandom(8)) + field(5, ("GET " + route).encode()) + b"\x30\x02"
            + fixed(7, start) + fixed(8, start + took)
            + text("http.request.method", "GET") + text("http.route", route) + integer("http.response.status_code", 200 if nth % 50 else 500)
            + text("server.address", "shop-%d.example.org" % (nth % 4)) + integer("server.port", 8080) + text("url.scheme", "https")
            + text("user_agent.original", "Mozilla/5.0 (X11)") + integer("enduser.id", 100_000 + (nth * 104_729) % 50_000)
            + text("network.protocol.version", "1.1") + integer("thread.id", nth % 32) + field(15, b"\x18\x01"))


def batch(nth, now):
    resource = field(1, b"".join(field(1, field(1, key) + field(2, field(1, value))) for key, value in (
        (b"service.name", b"shop"), (b"service.version", b"1.4.2"), (b"host.name", b"web-1"), (b"telemetry.sdk.language", b"go"))))
    scope = field(1, field(1, b"net/http") + field(2, b"0.58.0"))
    spans = b"".join(field(2, span(nth * SPANS + k, now)) for k in range(SPANS))
    return field(1, resource + field(2, scope + spans))


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def send(port, batches, rate, senders=4):
    """Each batch once, over some connections; at most `rate` spans a second where it is given."""
    begun, failed, at, lock = time.monotonic(), [], iter(range(len(batches))), threading.Lock()

    def run():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                nth = next(at, None)
            if nth is None:
                return
            if rate:
                time.sleep(max(0, begun + nth * SPANS / rate - time.monotonic()))
            while True:
                connection.request("POST", "/v1/traces", batches[nth], {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    break
                failed.append(answer.status)
                time.sleep(0.2)

    threads = [threading.Thread(target=run) for _ in range(senders)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return time.monotonic() - begun, failed


def metlog(binary, batches, rate):
    port, spans = free_port(), len(batches) * SPANS
    with tempfile.TemporaryDirectory() as folder:
        process = Metlog(binary, folder, listener=f'otlp_http = "127.0.0.1:{port}"\n', roll="10s", flush="10s")
        try:
            before = cpu(process.process.pid)
            seconds, failed = send(port, batches, rate)
            taken = cpu(process.process.pid) - before
            while (ledger := process.ledger())["held"] > 0:
                time.sleep(0.2)
            whole = cpu(process.process.pid) - before
            assert ledger["stored"] == spans, ledger
            stored = sum(file.stat().st_size for file in pathlib.Path(folder).glob("warehouse/spans/**/*.parquet"))
            print(f"| metlog, journal and Parquet | {spans / whole:,.0f} | {spans / taken:,.0f} | {spans / seconds:,.0f} | {peak_mib(process.process.pid)} | {stored / spans:.1f} | {len(failed)} |", flush=True)
        finally:
            process.kill()


def rotel(program, batches, rate):
    port, grpc, spans = free_port(), free_port(), len(batches) * SPANS
    command = [program, "start", "--exporter", "blackhole", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        before = cpu(process.pid)
        seconds, failed = send(port, batches, rate)
        time.sleep(1)
        taken = cpu(process.pid) - before
        print(f"| rotel, blackhole | {spans / taken:,.0f} | | {spans / seconds:,.0f} | {peak_mib(process.pid)} | | {len(failed)} |", flush=True)
    finally:
        process.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rotel")
    parser.add_argument("--batches", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--turns", type=int, default=1)
    options = parser.parse_args()
    now = time.time_ns()
    batches = [batch(nth, now) for nth in range(options.batches)]
    print(f"{len(batches) * SPANS:,} spans of {sum(map(len, batches)) / len(batches) / SPANS:.0f} bytes\n")
    print("| what | spans a CPU second | until it was acknowledged | spans a second | peak MiB | stored bytes a span | refused, sent again |\n|---|---|---|---|---|---|---|")
    for _ in range(options.turns):
        metlog(options.binary, batches, options.rate)
        if options.rotel:
            rotel(options.rotel, batches, options.rate)


if __name__ == "__main__":
    main()
