"""Thrift beside a running metlog: Milo's example shows up as Milo's call table, and the ledger balances."""

import contextlib
import html
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples" / "thrift"
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
import metlog_process  # noqa: E402

BINARY = os.environ.get("METLOG_BINARY")
pytestmark = pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")


@pytest.fixture(scope="module")
def listener():
    scribe = metlog_process.free_port()
    with metlog_process.running(BINARY, listener=f'scribe = "127.0.0.1:{scribe}"\n') as found:
        found.scribe = scribe
        yield found


def environment(listener):
    return {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "METLOG_DESTINATION": f"127.0.0.1:{listener.metlog}"}


@pytest.fixture(scope="module")
def server(listener):
    """The port of the example's server."""
    command = [sys.executable, str(EXAMPLES / "milo_server.py"), "0"]
    with subprocess.Popen(command, env=environment(listener), stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline().split()[-1])
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()


def ask(listener, port, *arguments):
    command = [sys.executable, str(EXAMPLES / "milo_client.py"), str(port), *arguments]
    done = subprocess.run(command, env=environment(listener), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def stored(listener, trace_id, count):
    """The spans of a trace, when so many are there."""
    query = f"select name, service, kind, span_id, parent_span_id from spans where trace_id = '{trace_id}'"
    return metlog_process.until("the spans", lambda: rows if len(rows := listener.sql(query)) == count else None)


def cells(page):
    """The rows of the tables of a page, as texts."""
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        found = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        yield [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in found]


@pytest.mark.parametrize("carrier", ["milo", "finagle"])
def test_the_example_shows_up_as_milos_call_table(listener, server, carrier):
    address = ask(listener, server, carrier)
    trace_id = re.fullmatch(r"/traces/([0-9a-f]{32})\?way=calls", address)[1]
    rows = stored(listener, trace_id, 7)
    by_id = {row["span_id"]: row for row in rows}
    calls = [row for row in rows if row["kind"] == "client"]
    served = [row for row in rows if row["kind"] == "server"]
    assert len(calls) == len(served) == 3
    assert all(by_id[row["parent_span_id"]]["name"] == "MiloClientExample" for row in calls)
    assert {row["parent_span_id"] for row in served} == {row["span_id"] for row in calls}

    table = [row[:2] for row in cells(listener.get(address).decode()) if len(row) == 6]
    pair = [["HelloWorld.ping", "MiloClientExample"], ["HelloWorld.ping", "HelloWorld"]]
    assert table == [["call", "service"], ["MiloClientExample", "MiloClientExample"], *pair * 3]
    graph = list(cells(listener.get(address.replace("calls", "graph")).decode()))
    assert ["MiloClientExample", "HelloWorld", "3", "0"] in graph
    # What the service sent within a call is found by its ids.
    said = "select payload from messages where logger = 'HelloWorld' and fields['trace_id'] = '%s'" % trace_id
    assert len(metlog_process.until("the messages", lambda: listener.sql(said))) >= 1
    metlog_process.balanced(listener.ledger())


def test_the_trace_is_found_by_its_annotation(listener, server):
    ask(listener, server)
    query = "select trace_id from spans where attributes['synapse'] = 'take over the world'"
    assert metlog_process.until("the root", lambda: listener.sql(query))


def scribed(listener, trace_id, span_id, parent_id, kinds, host_field):
    """One side of a call as Milo's own tracer tells it, by scribe."""
    now = time.time_ns() // 1_000
    span = struct.pack(
        ">bhqbhi15sbhqbhq", 10, 1, trace_id, 11, 2, 15, b"HelloWorld.ping", 10, 3, span_id, 10, 4, parent_id
    )
    span += struct.pack(">bhi4s", 11, host_field, 4, b"milo") + struct.pack(">bhbi", 15, 7, 12, len(kinds))
    span += b"".join(struct.pack(">bhqbhib", 10, 1, now + n, 8, 2, kind, 0) for n, kind in enumerate(kinds)) + b"\0"
    message = b"\x8b\xad\xf0\x0d" + struct.pack(">i", len(span)) + span
    call = struct.pack(">i3sbi", 3, b"Log", 1, 0) + struct.pack(">bhbi", 15, 1, 12, 1)
    call += struct.pack(">bhi10sbhi", 11, 1, 10, b"Milo-Trace", 11, 2, len(message)) + message + b"\0\0"
    exchange(listener.scribe, call, 8)


def exchange(port, call, enough):
    """Sends a framed message and gives the reply, which has so many bytes at least."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(struct.pack(">i", len(call)) + call)
        received = b""
        while len(received) < enough:
            part = stream.recv(1_000)
            assert part, "the connection has ended"
            received += part
    return received


def test_a_client_of_milos_own_is_understood(listener, server):
    """Byte for byte what Milo's client writes, and reads; its own span comes by scribe, and is in the same trace."""
    trace_id, span_id, parent_id = 0x1122334455667788, 0x1234567890ABCDEF, 0x0FEDCBA987654321
    head = struct.pack(">Ii4si", 0x80010005, 4, b"ping", 0) + struct.pack(">qqq", trace_id, span_id, parent_id)
    call = head + struct.pack(">bhi5sb", 11, 1, 5, b"Chris", 0)
    reply = struct.pack(">Ii4si", 0x80010002, 4, b"ping", 0) + struct.pack(">bhi5sb", 11, 0, 5, b"Chris", 0)
    assert exchange(server, call, len(reply) + 4) == struct.pack(">i", len(reply)) + reply
    # Milo's client has its events the wrong way round.
    scribed(listener, trace_id, span_id, parent_id, [2, 1], 5)
    rows = {row["kind"]: row for row in stored(listener, f"{trace_id:032x}", 2)}
    assert rows["server"]["name"] == rows["client"]["name"] == "HelloWorld.ping"
    assert rows["server"]["parent_span_id"] == rows["client"]["span_id"] == f"{span_id:016x}"
    page = listener.get(f"/traces/{trace_id:032x}?way=calls").decode()
    assert [row[0] for row in cells(page) if len(row) == 6] == ["call", "HelloWorld.ping", "HelloWorld.ping"]


def test_a_server_of_milos_own_is_in_the_trace(listener):
    """It reads the ids that our client writes, and tells scribe of its side under the very same id."""
    with socket.create_server(("127.0.0.1", 0)) as milo:
        seen = []

        def serve():
            stream, _ = milo.accept()
            with stream:
                for _ in range(3):
                    size = struct.unpack(">i", stream.recv(4, socket.MSG_WAITALL))[0]
                    call = stream.recv(size, socket.MSG_WAITALL)
                    seen.append(struct.unpack(">Ii4siqqq", call[:40]))
                    reply = struct.pack(">Ii4si", 0x80010002, 4, b"ping", 0) + b"\x0b\x00\x00" + call[43:]
                    stream.sendall(struct.pack(">i", len(reply)) + reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = ask(listener, milo.getsockname()[1])
        thread.join(10)
    assert [one[:4] for one in seen] == [(0x80010005, 4, b"ping", 0)] * 3
    trace_id = f"{seen[0][4] & (1 << 64) - 1:032x}"
    assert trace_id in address
    for one in seen:
        scribed(listener, one[4], one[5], one[6], [4, 3], 6)
    rows = stored(listener, trace_id, 7)
    assert {row["span_id"] for row in rows if row["kind"] == "server"} == {
        row["span_id"] for row in rows if row["kind"] == "client"
    }
    table = [row[0] for row in cells(listener.get(address).decode()) if len(row) == 6]
    assert table.count("HelloWorld.ping") == 6 and table.count("MiloClientExample") == 1


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from helloworld import HelloWorld
from thrift.protocol import TBinaryProtocol
from thrift.transport import TSocket, TTransport
import metlog, metlog.thrift

metlog.init(logger="killed", statsd=False)
class Killing(TTransport.TFramedTransport):
    def readAll(self, size):
        os.kill(os.getpid(), signal.SIGKILL)  # the request is sent, the reply is not there yet
client = HelloWorld.Client(TBinaryProtocol.TBinaryProtocol(TTransport.TFramedTransport(
    TSocket.TSocket("127.0.0.1", int(sys.argv[2])))))
metlog.thrift.trace_client(client, carrier="milo")
client._oprot.trans.open()
with metlog.thrift.root("front") as front:
    print(f"{front.context.trace_id:032x}", flush=True)
    client.ping("whole")
    metlog.flush()
    metlog.default._pipe._draining.acquire()  # so that it is known what waits
    client.ping("waits")
    client._iprot.trans.__class__ = Killing
    client.ping("killed")
"""


def test_a_client_that_is_killed_in_a_call(listener, server):
    """What it sent is there, what the server saw too; what waited is lost, is all that is, and the ledger balances."""
    command = [sys.executable, "-c", KILLED, str(EXAMPLES), str(server)]
    done = subprocess.run(command, env=environment(listener), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    rows = stored(listener, done.stdout.strip(), 4)
    assert sorted(row["kind"] for row in rows) == ["client", "server", "server", "server"]
    ledger = listener.ledger()
    metlog_process.balanced(ledger)
    assert ledger["lost"] == ledger["dropped_by_clients"] == ledger["rejected"] == 0


FORKING = """
import sys
sys.path.insert(0, sys.argv[1])
from helloworld import HelloWorld
from milo_server import HelloWorldHandler
from thrift.protocol import TBinaryProtocol
from thrift.server.TServer import TForkingServer
from thrift.transport import TSocket, TTransport
import metlog, metlog.thrift

metlog.init(logger="Forking", statsd=False)
metlog.send(("before",), "the parent has a queue, a socket and a thread")
transport = TSocket.TServerSocket("127.0.0.1", 0)
transport.listen()
transport.listen = lambda: None
print(transport.handle.getsockname()[1], flush=True)
TForkingServer(metlog.thrift.trace_processor(HelloWorld.Processor(HelloWorldHandler())), transport,
    TTransport.TFramedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()).serve()
"""


def test_a_server_that_forks_for_each_connection(listener):
    """Each child sends as a sender of its own; nothing is lost while its connection lasts."""
    before = listener.ledger()
    command = [sys.executable, "-c", FORKING, str(EXAMPLES)]
    with subprocess.Popen(command, env=environment(listener), stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        streams = []
        for n in range(1, 4):
            head = struct.pack(">Ii4si", 0x80010005, 4, b"ping", 0) + struct.pack(">qqq", 1 << 40 | n, n, 0)
            call = head + struct.pack(">bhi5sb", 11, 1, 5, b"Chris", 0)
            stream = socket.create_connection(("127.0.0.1", port), timeout=10)
            stream.sendall((struct.pack(">i", len(call)) + call) * 2)
            streams.append(stream)
        for n in range(1, 4):
            rows = stored(listener, f"{1 << 40 | n:032x}", 2)
            assert {(row["service"], row["parent_span_id"]) for row in rows} == {("Forking", f"{n:016x}")}
        for stream in streams:
            stream.close()
        process.kill()
    after = listener.ledger()
    metlog_process.balanced(after)
    for column in ("lost", "rejected", "dropped_by_clients"):
        assert after[column] == before[column]
