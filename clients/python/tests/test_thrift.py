"""Thrift: the real libraries against each other, with and without traces, and every carrier of ids."""

import threading

import pytest
import thrift.Thrift
from reader import messages
from thrift_peers import KINDS, LIBRARIES, Client, Server, Service, Wire, processor

import metlog
import metlog.thrift

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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asks,serves", PAIRS)
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


@pytest.mark.parametrize("kind", KINDS + ("header",))
@pytest.mark.parametrize("asks,serves", PAIRS)
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
    client.flush()
    found = [one for one in messages(sent) if one.get("name") == "Shop.ping" and one["kind"] == 2]
    assert {one["trace_id"] for one in found} == {f"{front.context.trace_id:032x}"}
