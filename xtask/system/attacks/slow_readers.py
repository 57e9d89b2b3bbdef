"""Clients that ask for large results and do not read them, and followers of the live stream that do not read either.
Memory must stay bounded, others must be answered, and intake must lose nothing."""
import contextlib, json, pathlib, socket, sys, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import BEYOND_MIB, MEMORY_MIB, Sender, accounted, attacked, main
from metlog_process import until

READERS, TAILS, ROWS, PER_SECOND = 40, 4, 60_000, 10_000
# Memory of one query, and how many run at the same time. All that wait for readers may use that of one more.
QUERY_MIB, CONCURRENCY = 64, 4
LIMIT_MIB = MEMORY_MIB + QUERY_MIB * (CONCURRENCY + 1) + BEYOND_MIB


def asked(metlog, request):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", metlog.http))
    connection.sendall(request)
    return connection


def attack(binary):
    extra = f'memory = "{QUERY_MIB}MiB"\nconcurrency = {CONCURRENCY}\n'
    with attacked(binary, extra=extra, limit_mib=LIMIT_MIB) as metlog:
        sender, payload = Sender(metlog.metlog), b"x" * 1_000
        rows = [b'{"type":"large","payload":"%d %s"}' % (n, payload) for n in range(ROWS)]
        sender.send(rows, PER_SECOND)
        accounted(metlog, ROWS)
        body = json.dumps({"query": "select * from messages"}).encode()
        head = b"POST /api/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/x-ndjson\r\n"
        query = head + b"content-length: %d\r\n\r\n" % len(body) + body
        tail = b"GET /api/tail HTTP/1.1\r\nhost: localhost\r\n\r\n"
        held = [asked(metlog, query) for _ in range(READERS)] + [asked(metlog, tail) for _ in range(TAILS)]
        sender.send(rows, PER_SECOND)
        ledger = accounted(metlog, sender.sent)
        assert ledger["dropped_by_kernel"] <= sender.sent // 100, f"dropped by the kernel: {ledger}"

        def answered():
            with contextlib.suppress(OSError, AssertionError):
                return metlog.one("select 1 as one") == 1

        began = time.monotonic()
        until("somebody who reads is answered", answered, 90)
        took = time.monotonic() - began
        for connection in held:
            connection.close()
        return f"{READERS} readers and {TAILS} followers, another query after {took:.1f} s, {metlog.peak_mib()} MiB"


main(attack)
