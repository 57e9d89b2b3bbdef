"""Thrift under attack by its own surroundings: threads, greenlets, forks, and faults of ours."""

import copy
import gc
import json
import os
import pathlib
import pickle
import random
import socket
import struct
import subprocess
import sys
import threading
import weakref

import pytest
import thriftpy2.contrib.aio.client
from test_thrift import (  # noqa: F401 - fixtures too
    PING,
    calling,
    client,
    head,
    messages_of,
    opened,
    raw,
    sent,
    serving,
    spans,
)
from thrift_peers import GENERATED, LIBRARIES, Client, Server, Service, Shop, Wire, other, processor, well_formed

import metlog
import metlog.thrift
from metlog import _spans
from metlog.thrift import _calls, _carriers

HERE = pathlib.Path(__file__).resolve().parent


# Threads, greenlets, forks.


@pytest.mark.parametrize("carrier", ["milo", "finagle"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_threads(opened, client, sent, library, carrier):  # noqa: F811
    """Each with a client of its own, and a few that share one by a lock."""
    server = serving(opened, library, "framed", client)
    shared, lock, errors = calling(opened, library, "framed", server.port, carrier=carrier), threading.Lock(), []

    def work(n):
        try:
            own = Client(library, "framed", server.port)
            metlog.thrift.trace_client(own.client, carrier=carrier)
            with metlog.thrift.root(f"front{n}", sender=client):
                for at in range(5):
                    assert own.client.ping(f"{n} {at}") == f"{n} {at}"
                    with lock:
                        assert shared.client.ping(f"{n} shared") == f"{n} shared"
            own.close()
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not errors
    well_formed(messages_of(client, sent, 8 + 8 * 10 * 2), True)


GREEN = """
from gevent import monkey; monkey.patch_all()
import gevent, json, sys
sys.path[:0] = sys.argv[1:3]
import metlog, metlog.thrift
from reader import messages
from thrift_peers import Client, Server, Service, processor
sent = metlog.Captured()
client = metlog.Client(destinations=sent, statsd=False, logger="shop")
ends = []
for library in ("apache", "thriftpy2"):
    service = Service(library, lambda: gevent.sleep(0.001))
    server = Server(library, "framed", metlog.thrift.trace_processor(processor(library, service), sender=client))
    def work(n):
        asked = Client(library, "framed", server.port)
        metlog.thrift.trace_client(asked.client, carrier="milo")
        with metlog.thrift.root("front", sender=client):
            for at in range(3):
                assert asked.client.ping(str(at)) == str(at)
        asked.close()
    gevent.joinall([gevent.spawn(work, n) for n in range(10)], raise_error=True)
    server.close()
client.flush()
print(json.dumps([one for one in messages(sent) if "span_id" in one], default=str))
"""


def test_greenlets():
    command = [sys.executable, "-c", GREEN, str(HERE), str(GENERATED)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 2 * 10 * (1 + 3 * 2)
    well_formed(found, True)


def test_a_fork_between_calls(opened, client, sent):  # noqa: F811
    """A child goes on with the client that it has inherited, in its own connection, below the same root."""
    server = serving(opened, "apache", "framed", client)
    asked = calling(opened, "apache", "framed", server.port, carrier="finagle")
    with metlog.thrift.root("front", sender=client):
        assert asked.client.ping("parent") == "parent"
        child = os.fork()
        if child == 0:
            failed = 1
            try:
                asked.trans.close()
                asked.trans.open()
                failed = int(asked.client.ping("child") != "child")
            finally:
                os._exit(failed)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        asked.trans.close()
        asked.trans.open()
        assert asked.client.ping("parent again") == "parent again"
    found = [one for one in messages_of(client, sent, 6) if "span_id" in one]
    assert len({one["trace_id"] for one in found}) == 1


# What a service does.


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_service_that_asks_itself(opened, client, sent, library):  # noqa: F811
    server = serving(opened, library, "framed", client)
    inner = calling(opened, library, "framed", server.port, carrier="milo")
    depth = []

    def again():
        if len(depth) < 3:
            depth.append(calling(opened, library, "framed", server.port, carrier="milo"))
            depth[-1].client.ping("deeper")

    server.service.seen = again
    with metlog.thrift.root("front", sender=client):
        assert inner.client.ping("a") == "a"
    found = messages_of(client, sent, 9)
    well_formed(found, True)
    assert len({one["trace_id"] for one in found if "span_id" in one}) == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_service_that_leaves_a_span_open_or_clears_it(opened, client, sent, library):  # noqa: F811
    server = serving(opened, library, "framed", client)
    asked = opened(Client(library, "framed", server.port))
    server.service.seen = lambda: client.span("never ended").begin()
    assert asked.client.ping("a") == "a"
    server.service.seen = lambda: _spans.current.set(None)
    assert asked.client.ping("b") == "b"
    server.service.seen = lambda: None
    assert asked.client.ping("c") == "c"
    found = [one for one in messages_of(client, sent, 3) if "span_id" in one]
    assert len({one["trace_id"] for one in found}) == 3, "each call begins a trace"
    assert {one["parent_span_id"] for one in found} == {"0" * 16}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_service_that_ends_everything(client, sent, library, error):  # noqa: F811
    """What is no ``Exception`` passes through as it does without tracing."""

    def end():
        raise error("now")

    traced = metlog.thrift.trace_processor(processor(library, Service(library, end)), sender=client)
    server = Server(library, "framed", processor(library, Service(library)))
    server.close()
    if library == "apache":
        from thrift.protocol.TBinaryProtocol import TBinaryProtocol as Protocol
        from thrift.transport.TTransport import TMemoryBuffer as Buffer
    else:
        from thriftpy2.protocol import TBinaryProtocol as Protocol
        from thriftpy2.transport import TMemoryBuffer as Buffer
    call = bytes.fromhex("800100010000000470696e67000000000b0001000000016100")
    with pytest.raises(error), client.span("around") as around:
        try:
            traced.process(Protocol(Buffer(call)), Protocol(Buffer()))
        finally:
            assert metlog.current_context() == around.context
    assert spans(client, sent, 2)["Shop.ping", "server"]["status"] == (2, "now")


# Faults of ours, and what is not kept.


@pytest.mark.parametrize("library", LIBRARIES)
def test_faults_of_tracing_reach_no_service(opened, client, sent, library, monkeypatch):  # noqa: F811
    def broken(*_args, **_kwargs):
        raise RuntimeError("a fault of tracing")

    monkeypatch.setattr(_calls.Calling, "__init__", broken)
    monkeypatch.setattr(metlog.thrift._ask._carriers, "request_header", lambda *_: b"\0")
    monkeypatch.setattr(metlog.thrift._ask._carriers, "milo_ids", broken)
    monkeypatch.setattr(metlog.thrift._ask._carriers, "info_headers", broken)
    for kind, carrier in (("framed", "milo"), ("framed", "finagle"), ("header", "auto")):
        # `object()` is no client of metlog: beginning a span with it fails.
        server = serving(opened, library, kind, object())
        asked = calling(opened, library, kind, server.port, carrier=carrier)
        with client.span("front"):
            assert asked.client.ping("a") == "a"
            with pytest.raises(asked.sold_out):
                asked.client.buy([asked.line("tea", 1)], True)
    assert set(spans(client, sent, 3)) == {("front", "internal")}


@pytest.mark.parametrize("kind,carrier", [("framed", "milo"), ("framed", "finagle"), ("header", "auto")])
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_not_kept_is_not_sent_and_goes_on_unkept(opened, client, sent, library, kind, carrier):  # noqa: F811
    """With THeader and Finagle the server is told; Milo's calls say nothing then, so that its server decides."""
    unkept = metlog.Client(destinations=sent, statsd=False, sampling=0.0)
    server = serving(opened, library, kind, client)
    seen = []
    server.service.seen = lambda: seen.append(metlog.current_context())
    asked = calling(opened, library, kind, server.port, carrier=carrier)
    with metlog.thrift.root("front", sender=unkept) as front:
        assert asked.client.ping("a") == "a"
    asked.close(), server.close()
    client.flush(), unkept.close()
    found = [one["name"] for one in metlog_messages(sent)]
    if carrier == "milo":
        assert found == ["Shop.ping"] and seen[0].trace_id != front.context.trace_id
    else:
        assert found == [] and seen[0].trace_id == front.context.trace_id


def metlog_messages(sent):  # noqa: F811
    from reader import messages

    return [one for one in messages(sent) if "span_id" in one]


def test_what_is_no_client_or_processor():
    for given in (object(), None, "client"):
        with pytest.raises(TypeError):
            metlog.thrift.trace_client(given)
        with pytest.raises(TypeError):
            metlog.thrift.trace_processor(given)
    with pytest.raises(ValueError, match="`zipkin` is not a carrier"):
        metlog.thrift.trace_client(object(), carrier="zipkin")
    with pytest.raises(ValueError, match="`none` cannot be accepted"):
        metlog.thrift.trace_processor(object(), accept=["none"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_that_is_traced_twice_and_otherwise(opened, client, sent, library):  # noqa: F811
    server = serving(opened, library, "framed", client)
    asked = calling(opened, library, "framed", server.port, carrier="milo")
    kind = type(asked.client)
    metlog.thrift.trace_client(asked.client, service="Other", carrier="finagle")
    assert type(asked.client) is kind
    with client.span("front"):
        assert asked.client.ping("a") == "a"
    found = spans(client, sent, 3)
    assert found["Other.ping", "client"]["span_id"] == found["Shop.ping", "server"]["parent_span_id"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_two_clients_on_one_connection(opened, client, sent, library):  # noqa: F811
    """It is upgraded once, and both know."""
    server = serving(opened, library, "framed", client)
    wire = opened(Wire(server.port))
    asked = calling(opened, library, "framed", wire.port, carrier="finagle")
    protocol = asked.client._oprot
    second = Shop.Client(protocol) if library == "apache" else thriftpy2.thrift.TClient(other.Shop, protocol)
    metlog.thrift.trace_client(second, carrier="finagle")
    with client.span("front"):
        assert [asked.client.ping("a"), second.ping("b"), asked.client.ping("c")] == ["a", "b", "c"]
    well_formed(messages_of(client, sent, 7), True)
    assert bytes(wire.sent).count(b"__can__finagle__trace__v3__") == 1


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("of_traced", [True, False])
def test_services_that_are_registered_before_and_after(opened, client, sent, is_before, of_traced):  # noqa: F811
    from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
    from thrift.TMultiplexedProcessor import TMultiplexedProcessor

    several = TMultiplexedProcessor()
    traced = metlog.thrift.trace_processor(several, sender=client)
    target = traced if of_traced else several
    server = opened(Server("apache", "framed", traced))
    target.registerDefault(processor("apache", Service("apache")))
    if is_before:
        target.registerDefault(processor("apache", Service("apache")))
    target.registerProcessor("Named", processor("apache", Service("apache")))
    for wrap in (lambda inner: inner, lambda inner: TMultiplexedProtocol(inner, "Named")):
        asked = opened(Client("apache", "framed", server.port, wrap))
        with pytest.raises(asked.sold_out):
            asked.client.buy([asked.line("tea", 1)], True)
    found = spans(client, sent, 2)
    assert set(found) == {("Shop.buy", "server"), ("Named.buy", "server")}
    for one in found.values():
        assert one["attributes"]["thrift.exception"] == "declared"


def test_a_processor_of_several_services_grants_the_upgrade(opened, client, sent):  # noqa: F811
    from thrift.TMultiplexedProcessor import TMultiplexedProcessor

    several = TMultiplexedProcessor()
    several.registerProcessor("Named", processor("apache", Service("apache")))
    server = opened(Server("apache", "framed", metlog.thrift.trace_processor(several, sender=client)))
    upgrade = head(b"__can__finagle__trace__v3__") + b"\0"
    header = _carriers.request_header(metlog.Context(5, 6, 1), 0)
    assert b"ping" in raw(server.port, upgrade, header + head(b"Named:ping") + PING)
    found = spans(client, sent, 1)["Named.ping", "server"]
    assert found["trace_id"] == f"{5:032x}" and found["parent_span_id"] == f"{6:016x}"


def test_thriftpy2s_own_tracking_goes_on(opened, client, sent):  # noqa: F811
    from thriftpy2.contrib.tracking import TrackerBase, TTrackedClient, TTrackedProcessor

    class Tracker(TrackerBase):
        def __init__(self):
            super().__init__("client", "server")
            self.noted = []

        def record(self, header, exception):
            self.noted.append((header.api, header.status))

        def gen_header(self, header):
            header.request_id, header.seq = "request", "1"

    class PerConnection:
        """Such a processor is of one connection."""

        def process(self, iprot, oprot):
            if not hasattr(self, "made"):
                made = TTrackedProcessor(Tracker(), other.Shop, Service("thriftpy2"))
                self.made = metlog.thrift.trace_processor(made, sender=client)
            return self.made.process(iprot, oprot)

    server = opened(Server("thriftpy2", "framed", PerConnection()))
    plain = opened(Client("thriftpy2", "framed", server.port))
    tracker = Tracker()
    asked = TTrackedClient(tracker, other.Shop, plain.client._oprot)
    metlog.thrift.trace_client(asked)
    with client.span("front"):
        assert asked.ping("a") == "a"
        with pytest.raises(other.SoldOut):
            asked.buy([other.Line(item="tea", count=1)], True)
    assert tracker.noted == [("ping", True), ("buy", False)]
    assert set(spans(client, sent, 5)) == {
        ("front", "internal"),
        *((f"Shop.{name}", kind) for name in ("ping", "buy") for kind in ("client", "server")),
    }


def test_carriers_that_asynchronous_clients_do_not_have():
    made = thriftpy2.contrib.aio.client.TAsyncClient(other.Shop, None)
    for carrier in ("finagle", "header"):
        with pytest.raises(ValueError, match=f"do not have the carrier `{carrier}`"):
            metlog.thrift.trace_client(made, carrier=carrier)


class Simple:
    """A service that can be sent to another process."""

    def ping(self, name):
        return name


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_processor_that_is_sent_to_another_process(library):
    traced = metlog.thrift.trace_processor(processor(library, Simple()), service="Named")
    if library == "thriftpy2":
        # Modules of thriftpy2 cannot be pickled, so neither can its processors; a copy is what they have.
        again = copy.copy(traced)
    else:
        again = pickle.loads(pickle.dumps(traced))
        assert again is not traced and again._metlog_options.service == "Named"
    assert again._handler.ping("a") == "a" == copy.copy(again._handler).ping("a")


@pytest.mark.parametrize("kind", ["binary", "framed", "compact", "header", "header compact"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_bytes_that_come_one_by_one(opened, client, sent, library, kind):  # noqa: F811
    server = serving(opened, library, "header", client)
    wire = Wire(server.port)
    asked = Client("apache", kind, wire.port)
    metlog.thrift.trace_client(asked.client)
    with client.span("front"):
        assert asked.client.ping("a") == "a"
    said, replied = bytes(wire.sent), bytes(wire.received)
    asked.close(), wire.close()
    one_by_one = [said[n : n + 1] for n in range(len(said))]
    assert raw(server.port, *one_by_one, framed=False) == replied
    spans(client, sent, 4)


@pytest.mark.parametrize("library", LIBRARIES)
def test_finagles_header_that_comes_byte_by_byte(opened, client, sent, library):  # noqa: F811
    server = serving(opened, library, "binary", client)
    header = _carriers.request_header(metlog.Context(5, 6, 1), 7)
    said = head(b"__can__finagle__trace__v3__") + b"\0" + (header + head(b"ping") + PING) * 2
    said += header + head(b"ping") + PING
    assert raw(server.port, *(said[n : n + 1] for n in range(len(said))), framed=False).count(b"ping") == 3
    found = [one for one in messages_of(client, sent, 3) if "span_id" in one]
    assert {(one["trace_id"], one["parent_span_id"]) for one in found} == {(f"{5:032x}", f"{6:016x}")}


def test_frames_that_are_broken(opened, client, sent):  # noqa: F811
    """Connections end, at most; the server goes on."""
    server = serving(opened, "thriftpy2", "header", client)
    chance = random.Random(11)
    wire = Wire(server.port)
    asked = Client("apache", "header", wire.port)
    with client.span("front"):
        metlog.thrift.trace_client(asked.client).ping("a")
    good = bytes(wire.sent)
    asked.close(), wire.close()
    for _ in range(150):
        broken = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(4, len(broken))] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        raw(server.port, bytes(broken), framed=False)
    for size in (0, 1, 3, -1, -(1 << 31), (1 << 31) - 1, 16_384_001):
        assert raw(server.port, struct.pack(">i", size) + b"\x0f\xff" * 10, framed=False) == b""
    asked = opened(Client("apache", "header", server.port))
    assert asked.client.ping("still here") == "still here"


@pytest.mark.parametrize("library", LIBRARIES)
def test_exceptions_are_held_by_nobody(opened, client, sent, library):  # noqa: F811
    """What a call raised, and all that it refers to, is freed without the garbage collector."""
    server = serving(opened, library, "framed", client)
    asked = calling(opened, library, "framed", server.port, carrier="milo")

    class Large:
        """An argument."""

    def fails():
        large = Large()
        held = weakref.ref(large)
        with client.span("front"):
            try:
                # Both libraries' own exceptions hold themselves; this one is raised while it writes.
                asked.client.ping(large)
            except Exception:  # noqa: BLE001 - each library has its own
                pass
        return held

    fails()
    gc.collect()
    gc.disable()
    try:
        assert fails()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_server_that_is_away_and_comes_back(opened, client, sent, library):  # noqa: F811
    """Its absence is no refusal of Finagle's upgrade, and what the caller sees is the library's own exception."""
    with socket.create_server(("127.0.0.1", 0)) as away:
        port = away.getsockname()[1]
        asked = calling(opened, library, "framed", port, carrier="finagle")
        away.accept()[0].close()
    with client.span("front"), pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
        asked.client.ping("a")
    assert type(raised.value).__name__ == "TTransportException"
    traced = metlog.thrift.trace_processor(processor(library, Service(library)), sender=client)
    opened(Server(library, "framed", traced, port))
    asked.trans.open()
    with client.span("again"):
        assert asked.client.ping("b") == "b"
    asked.close()
    found = spans(client, sent, 5)
    assert found["Shop.ping", "server"]["trace_id"] == found["again", "internal"]["trace_id"]
    assert found["front", "internal"]["status"][0] == 0
