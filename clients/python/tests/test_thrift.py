"""Thrift: the real libraries against each other, with and without traces, and every carrier of ids."""

import json
import pathlib
import socket
import struct
import threading

import pytest
import thrift.Thrift
from reader import messages
from thrift_peers import KINDS, LIBRARIES, Client, Server, Service, Wire, processor

import metlog
import metlog.thrift

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "schemas" / "examples"
KIND = {2: "server", 3: "client", 1: "internal"}


@pytest.fixture
def sent():
    return metlog.Captured()


@pytest.fixture
def client(sent):
    made = metlog.Client(destinations=sent, statsd=False, logger="shop")
    yield made
    made.close()


@pytest.fixture
def opened():
    """Closes what a test opens, last first."""
    found = []

    def keep(one):
        found.append(one)
        return one

    yield keep
    for one in reversed(found):
        one.close()


def spans(client, sent, count=None):
    """By name and kind; where each is made by another thread, it may still be about to end."""
    for _ in range(500):
        client.flush()
        found = [one for one in messages(sent) if "span_id" in one]
        if count is None or len(found) >= count:
            break
        threading.Event().wait(0.01)
    assert count is None or len(found) == count, [(one["name"], one["kind"]) for one in found]
    for one in found:
        one["attributes"] = dict(one["attributes"])
        one["happened"] = [event[1] for event in one["events"]]
    return {(one["name"], KIND[one["kind"]]): one for one in found}


def serving(opened, library, kind, client, **options):
    service = Service(library)
    traced = metlog.thrift.trace_processor(processor(library, service), sender=client, **options)
    server = opened(Server(library, kind, traced))
    server.service = service
    return server


def calling(opened, library, kind, port, **options):
    asked = opened(Client(library, kind, port))
    assert metlog.thrift.trace_client(asked.client, **options) is asked.client
    return asked


PAIRS = [(one, two) for one in LIBRARIES for two in LIBRARIES]
#: JSON only of Apache: thriftpy2 0.7.1 itself, in frames, takes the later messages of a connection for its first one.
PLAIN = [(*pair, kind) for pair in PAIRS for kind in KINDS] + [("apache", "apache", "json")]
CARRIED = [("milo", kind) for kind in ("binary", "framed", "slow")] + [
    ("finagle", kind) for kind in ("binary", "framed", "slow")
]


@pytest.mark.parametrize("carrier,kind", CARRIED)
@pytest.mark.parametrize("asks,serves", PAIRS)
def test_a_trace_goes_on_at_the_server(opened, client, sent, asks, serves, carrier, kind):
    server = serving(opened, serves, kind, client)
    asked = calling(opened, asks, kind, server.port, carrier=carrier)
    with metlog.thrift.root("front", sender=client) as front:
        assert asked.client.ping("a") == "a"
        assert asked.client.buy([asked.line("tea", 2), asked.line("jam", 3)], False) == 5
        with pytest.raises(asked.sold_out):
            asked.client.buy([asked.line("tea", 2)], True)
    assert asked.client.ping("outside") == "outside"
    found = spans(client, sent, 8)
    # A call outside of a trace begins one at the server.
    assert found["Shop.ping", "server"]["trace_id"] != f"{front.context.trace_id:032x}"
    out, served = found["Shop.buy", "client"], found["Shop.buy", "server"]
    assert front.context.trace_id < 1 << 64
    assert out["trace_id"] == served["trace_id"] == found["front", "internal"]["trace_id"]
    assert served["parent_span_id"] == out["span_id"]
    assert out["parent_span_id"] == found["front", "internal"]["span_id"]
    assert served["happened"] == ["SERVER_RECV", "exception", "SERVER_SEND"]
    assert out["happened"] == ["CLIENT_SEND", "exception"]
    for one in (out, served):
        assert one["status"][0] == 2 and one["attributes"]["thrift.exception"] == "declared"
        assert one["attributes"]["rpc.service"] == "Shop" and one["attributes"]["rpc.method"] == "buy"
    assert out["attributes"]["server.port"] == server.port


@pytest.mark.parametrize("kind", ["header", "header compact"])
@pytest.mark.parametrize("asks,serves", PAIRS)
def test_a_trace_goes_on_by_theader(opened, client, sent, asks, serves, kind):
    """With 128 bits of id, its state and its baggage."""
    server = serving(opened, serves, kind, client)
    asked = calling(opened, asks, kind, server.port)
    seen = []
    server.service.seen = lambda: seen.append(metlog.current_context())
    parent = metlog.Context((7 << 64) + 5, 6, 1, "vendor=x", {"user": "25"})
    with metlog.Span(client, "front", parent=parent):
        assert asked.client.ping("a") == "a"
        with pytest.raises(asked.sold_out):
            asked.client.buy([asked.line("tea", 2)], True)
    assert asked.client.ping("outside") == "outside"
    found = spans(client, sent, 6)
    out, served = found["Shop.buy", "client"], found["Shop.buy", "server"]
    assert out["trace_id"] == served["trace_id"] == f"{(7 << 64) + 5:032x}"
    assert served["parent_span_id"] == out["span_id"]
    assert [context.baggage for context in seen] == [{"user": "25"}, {"user": "25"}, {}]
    assert seen[0].trace_state == "vendor=x"
    # The headers of a traced call are not those of the next one.
    assert found["Shop.ping", "server"]["trace_id"] not in (out["trace_id"], f"{0:032x}")


@pytest.mark.parametrize("kind", ["binary", "framed", "compact", "header", "header compact"])
@pytest.mark.parametrize("serves", LIBRARIES)
@pytest.mark.parametrize("asks", LIBRARIES)
def test_a_server_of_theader_replies_in_kind(opened, client, sent, asks, serves, kind):
    server = serving(opened, serves, "header", client)
    asked = calling(opened, asks, kind, server.port)
    with client.span("front"):
        assert asked.client.ping("a") == "a"
        assert asked.client.buy([asked.line("tea", 2)], False) == 2
    found = spans(client, sent, 5)
    goes_on = found["Shop.buy", "server"]["trace_id"] == found["front", "internal"]["trace_id"]
    assert goes_on == kind.startswith("header")


def conversation(asked):
    """Everything that a service may be asked."""
    said = [asked.client.ping("a"), asked.client.buy([asked.line("tea", 2)], False)]
    asked.client.note("n")
    # A server of thriftpy2 ends the connection where an exception is not declared.
    for call in (lambda: asked.client.buy([asked.line("tea", 1)], True), lambda: asked.client.fail("how")):
        try:
            said.append(call())
        except Exception as error:  # noqa: BLE001 - which one is what is compared
            said.append(type(error).__name__)
    return said


@pytest.mark.parametrize("asks,serves,kind", PLAIN)
def test_a_peer_without_traces_notices_nothing(opened, client, sent, asks, serves, kind):
    """The bytes on the wire are those of the plain libraries, on both sides, in a trace or not."""

    def passed(is_traced, is_within):
        made = processor(serves, Service(serves))
        server = Server(serves, kind, metlog.thrift.trace_processor(made, sender=client) if is_traced else made)
        wire = Wire(server.port)
        asked = Client(asks, kind, wire.port)
        if is_traced:
            metlog.thrift.trace_client(asked.client)
        if is_within:
            with client.span("front"):
                said = conversation(asked)
        else:
            said = conversation(asked)
        asked.close(), server.close(), wire.close()
        return said, bytes(wire.sent), bytes(wire.received)

    plain = passed(False, False)
    assert plain[0][:3] == ["a", 2, "SoldOut"]
    assert passed(True, False) == plain
    assert passed(True, True) == plain


@pytest.mark.parametrize("asks,serves,kind", PLAIN + [(*pair, "header") for pair in PAIRS])
def test_a_traced_side_with_a_plain_one(opened, client, sent, asks, serves, kind):
    plain = opened(Server(serves, kind, processor(serves, Service(serves))))
    asked = calling(opened, asks, kind, plain.port)
    with client.span("front"):
        assert asked.client.ping("a") == "a"
        with pytest.raises(asked.sold_out):
            asked.client.buy([asked.line("tea", 2)], True)
    server = serving(opened, serves, kind, client)
    asked = opened(Client(asks, kind, server.port))
    assert asked.client.ping("b") == "b"
    found = spans(client, sent, 4)
    assert set(found) == {
        ("Shop.ping", "client"),
        ("Shop.buy", "client"),
        ("front", "internal"),
        ("Shop.ping", "server"),
    }


@pytest.mark.parametrize("serves", LIBRARIES)
@pytest.mark.parametrize("asks", LIBRARIES)
def test_a_server_that_does_not_know_finagles_upgrade(opened, client, sent, asks, serves):
    plain = opened(Server(serves, "framed", processor(serves, Service(serves))))
    wire = opened(Wire(plain.port))
    asked = calling(opened, asks, "framed", wire.port, carrier="finagle")
    with client.span("front"):
        assert [asked.client.ping(str(n)) for n in range(3)] == ["0", "1", "2"]
    assert bytes(wire.sent).count(b"__can__finagle__trace__v3__") == 1, "it is asked once"
    assert len(spans(client, sent, 4)) == 2


@pytest.mark.parametrize("asks", LIBRARIES)
def test_a_server_that_ends_the_connection_when_it_is_asked_for_the_upgrade(opened, client, sent, asks):
    from thrift.TMultiplexedProcessor import TMultiplexedProcessor

    class Strict(TMultiplexedProcessor):
        def process(self, iprot, oprot):
            name, kind, sequence = iprot.readMessageBegin()
            if name != "ping":
                raise thrift.Thrift.TException("not here")
            iprot.readMessageBegin = lambda: (name, kind, sequence)
            try:
                return self.defaultProcessor.process(iprot, oprot)
            finally:
                del iprot.readMessageBegin

    strict = Strict()
    strict.registerDefault(processor("apache", Service("apache")))
    server = opened(Server("apache", "framed", strict))
    wire = opened(Wire(server.port))
    asked = calling(opened, asks, "framed", wire.port, carrier="finagle")
    with client.span("front"):
        assert [asked.client.ping(str(n)) for n in range(3)] == ["0", "1", "2"]
    asked.trans.close()
    asked.trans.open()
    assert asked.client.ping("again") == "again"
    assert bytes(wire.sent).count(b"__can__finagle__trace__v3__") == 1, "this server is not asked again"


@pytest.mark.parametrize("asks", LIBRARIES)
def test_a_new_connection_is_asked_for_the_upgrade_again(opened, client, sent, asks):
    server = serving(opened, "apache", "framed", client)
    wire = opened(Wire(server.port))
    asked = calling(opened, asks, "framed", wire.port, carrier="finagle")
    with client.span("front") as front:
        assert asked.client.ping("a") == "a"
        asked.trans.close()
        asked.trans.open()
        assert asked.client.ping("b") == "b"
    assert bytes(wire.sent).count(b"__can__finagle__trace__v3__") == 2
    found = [one for one in messages_of(client, sent, 5) if one.get("name") == "Shop.ping" and one["kind"] == 2]
    assert {one["trace_id"] for one in found} == {f"{front.context.trace_id:032x}"}


@pytest.mark.parametrize("carrier", ["milo", "finagle"])
@pytest.mark.parametrize("asks,serves", PAIRS)
def test_calls_that_fail_and_calls_without_reply(opened, client, sent, asks, serves, carrier):
    server = serving(opened, serves, "framed", client)
    asked = calling(opened, asks, "framed", server.port, carrier=carrier)
    with client.span("front"):
        asked.client.note("n")
        assert server.service.arrived.wait(5) and server.service.noted == ["n"]
        with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
            asked.client.fail("how")
    found = spans(client, sent, 5)
    assert found["Shop.note", "client"]["happened"] == ["CLIENT_SEND"]
    assert found["Shop.note", "server"]["happened"] == ["SERVER_RECV"]
    # Milo's calls without reply have no ids.
    goes_on = found["Shop.note", "server"]["parent_span_id"] == found["Shop.note", "client"]["span_id"]
    assert goes_on == (carrier == "finagle")
    out, served = found["Shop.fail", "client"], found["Shop.fail", "server"]
    assert served["parent_span_id"] == out["span_id"]
    assert served["status"] == (2, "'how'") and served["attributes"]["thrift.exception"] == "undeclared"
    # Apache's server says so; thriftpy2's ends the connection.
    expected = "application" if serves == "apache" else "transport"
    assert out["status"][0] == 2 and out["attributes"]["thrift.exception"] == expected
    assert type(raised.value).__name__ == "T" + expected.capitalize() + "Exception"
    assert served["happened"].count("exception") == 1


def raw(port, *parts, framed=True):
    """Sends these and gives what comes back, until the server says no more."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
        for part in parts:
            stream.sendall(struct.pack(">i", len(part)) + part if framed else part)
        stream.shutdown(socket.SHUT_WR)
        received = b""
        while data := stream.recv(65_536):
            received += data
        return received


def head(name, kind=1):
    return struct.pack(">Ii", 0x80010000 | kind, len(name)) + name + struct.pack(">i", 0)


PING = struct.pack(">bhi1sb", 11, 1, 1, b"a", 0)


@pytest.mark.parametrize("serves", LIBRARIES)
def test_names_of_spans_are_bounded(opened, client, sent, serves):
    server = serving(opened, serves, "framed", client)
    for n in range(20):
        assert b"nonsense" in raw(server.port, head(f"nonsense{n}".encode()) + PING)
    found = [one for one in messages_of(client, sent, 20) if "span_id" in one]
    assert {one["name"] for one in found} == {"Shop.(unknown)"}


def messages_of(client, sent, count):
    spans(client, sent, count)
    return messages(sent)


@pytest.mark.parametrize("serves", LIBRARIES)
def test_hostile_heads(opened, client, sent, serves):
    """Connections of these end; the server goes on, and others notice nothing."""
    server = serving(opened, serves, "framed", client)
    upgrade = head(b"__can__finagle__trace__v3__") + b"\0"
    granted = head(b"__can__finagle__trace__v3__", 2) + b"\0"
    hostile = [
        [head(b"ping", 5) + b"\0" * 10],  # ids are cut off
        [head(b"ping", 5)],
        [upgrade, b"\x0f\x00\x08\x0c\x7f\xff\xff\xff" + head(b"ping") + PING],  # a list of 2 billion
        [upgrade, b"\x0b\x00\x09\x7f\xff\xff\xff" + head(b"ping") + PING],
        [upgrade, b"\x0b\x00\x09\xff\xff\xff\xff" + head(b"ping") + PING],
        [upgrade, b"\x0c\x00\x08" * 5_000],  # nested without end
        [upgrade, head(b"ping") + PING],  # no header, though it was agreed upon
        [upgrade, b"\x0a\x00\x01"],
        [head(b"__can__finagle__trace__v3__") + b"\x0f\x00\x08\x0c\x7f\xff\xff\xff"],
    ]
    for parts in hostile:
        received = raw(server.port, *parts)
        assert received in (b"", struct.pack(">i", len(granted)) + granted), parts
    for ids in (b"\0" * 24, struct.pack(">qqq", 0, 6, 0), struct.pack(">qqq", 5, 0, 0)):
        assert b"ping" in raw(server.port, head(b"ping", 5) + ids + PING)
    no_ids = b"\x0a\x00\x01" + b"\0" * 8 + b"\x0a\x00\x02" + b"\0" * 8 + b"\0"
    assert b"ping" in raw(server.port, upgrade, no_ids + head(b"ping") + PING)
    asked = opened(Client("apache", "framed", server.port))
    assert asked.client.ping("still here") == "still here"
    served = [one for one in messages_of(client, sent, 5) if one.get("name") == "Shop.ping"]
    assert len(served) == 5
    assert all(one["trace_id"] != "0" * 32 and one["parent_span_id"] == "0" * 16 for one in served)


@pytest.mark.parametrize("serves", LIBRARIES)
def test_a_server_that_accepts_no_carrier_is_the_plain_one(opened, client, sent, serves):
    plain = opened(Server(serves, "framed", processor(serves, Service(serves))))
    server = serving(opened, serves, "framed", client, accept=())
    for parts in ([head(b"__can__finagle__trace__v3__") + b"\0", head(b"ping") + PING], [head(b"ping") + PING]):
        assert raw(server.port, *parts) == raw(plain.port, *parts) != b""


def test_several_services_on_one_connection_apache(opened, client, sent):
    from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
    from thrift.TMultiplexedProcessor import TMultiplexedProcessor

    several = TMultiplexedProcessor()
    traced = metlog.thrift.trace_processor(several, sender=client)
    several.registerProcessor("First", processor("apache", Service("apache")))
    several.registerProcessor("Second", metlog.thrift.trace_processor(processor("apache", Service("apache"))))
    several.registerDefault(processor("apache", Service("apache")))
    for kind in ("framed", "header"):
        server = opened(Server("apache", kind, traced))
        for carrier in ("auto", "milo", "finagle"):
            for name in ("First", "Second"):
                asked = opened(
                    Client("apache", kind, server.port, lambda inner, name=name: TMultiplexedProtocol(inner, name))
                )
                metlog.thrift.trace_client(asked.client, carrier=carrier)
                with client.span("front"):
                    assert asked.client.ping("a") == "a"
                    with pytest.raises(asked.sold_out):
                        asked.client.buy([asked.line("tea", 1)], True)
    found = spans(client, sent, 60)
    for name in ("First", "Second"):
        assert found[name + ".ping", "server"] and found[name + ".ping", "client"]
        assert found[name + ".buy", "server"]["attributes"]["thrift.exception"] == "declared"


def test_several_services_on_one_connection_thriftpy2(opened, client, sent):
    from thriftpy2.protocol import TMultiplexedProtocol
    from thriftpy2.thrift import TMultiplexedProcessor

    several = TMultiplexedProcessor()
    several.register_processor("First", processor("thriftpy2", Service("thriftpy2")))
    traced = metlog.thrift.trace_processor(several, sender=client)
    several.register_processor("Second", processor("thriftpy2", Service("thriftpy2")))
    server = opened(Server("thriftpy2", "framed", traced))
    for carrier in ("auto", "milo", "finagle"):
        for name in ("First", "Second"):
            asked = opened(
                Client("thriftpy2", "framed", server.port, lambda inner, name=name: TMultiplexedProtocol(inner, name))
            )
            metlog.thrift.trace_client(asked.client, carrier=carrier)
            with client.span("front"):
                assert asked.client.ping("a") == "a"
                with pytest.raises(asked.sold_out):
                    asked.client.buy([asked.line("tea", 1)], True)
    found = spans(client, sent, 30)
    for name in ("First", "Second"):
        assert found[name + ".ping", "server"] and found[name + ".ping", "client"]
        assert found[name + ".buy", "server"]["attributes"]["thrift.exception"] == "declared"


@pytest.mark.parametrize("asks", LIBRARIES)
@pytest.mark.parametrize("serves", LIBRARIES)
def test_the_upgrade_is_that_of_finagle_byte_for_byte(opened, client, sent, asks, serves):
    """As a client and a server of Finagle's spoke: see `schemas/examples/client.thrift.json`."""
    vectors = json.loads((EXAMPLES / "client.thrift.json").read_text())["finagle"]
    call, reply = (bytes.fromhex(vectors["upgrade"][one]) for one in ("call", "reply"))
    server = serving(opened, serves, "framed", client)
    wire = opened(Wire(server.port))
    asked = calling(opened, asks, "framed", wire.port, carrier="finagle")
    with client.span("front"):
        assert asked.client.ping("a") == "a"
    spans(client, sent, 3)
    assert bytes(wire.sent).startswith(call)
    assert bytes(wire.received).startswith(reply)
    # A request as Finagle's client wrote it: its header, and then a message.
    header = bytes.fromhex(next(one["header"] for one in vectors["headers"] if one["name"].startswith("from Finagle")))
    received = raw(server.port, call[4:], header + head(b"ping") + PING)
    # The reply has a header of no fields, as that of Finagle's server had.
    assert received.startswith(reply) and received[len(reply) + 4 :].startswith(b"\0" + head(b"ping", 2)[:12])
    found = [one for one in messages_of(client, sent, 4) if one.get("span_id") and one["kind"] == 2]
    assert found[-1]["trace_id"] == "0" * 16 + "8d21d1099b20df99" and found[-1]["parent_span_id"] == "8d21d1099b20df99"
