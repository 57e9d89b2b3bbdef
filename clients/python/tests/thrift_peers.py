"""Servers and clients of both Thrift libraries, of each protocol, and what passes between them."""

import contextlib
import pathlib
import socket
import sys
import threading

import thriftpy2
import thriftpy2.protocol
import thriftpy2.server
import thriftpy2.thrift
import thriftpy2.transport
from thrift.protocol import TBinaryProtocol, TCompactProtocol, THeaderProtocol, TJSONProtocol
from thrift.server import TServer
from thrift.transport import TSocket, TTransport
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID

GENERATED = pathlib.Path(__file__).resolve().parent / "apps" / "thrift_gen"
sys.path.insert(0, str(GENERATED))
from shop import Shop  # noqa: E402
from shop.ttypes import Line, SoldOut  # noqa: E402

other = thriftpy2.load(str(GENERATED / "shop.thrift"), module_name="shop_thrift")
ANY = tuple(value for name, value in vars(THeaderClientType).items() if name.isupper())
LIBRARIES = ("apache", "thriftpy2")
#: Transport and protocol; both ends have the same.
KINDS = ("binary", "framed", "compact")


class Service:
    """What both libraries serve; `seen` is called for each call, within it."""

    def __init__(self, library, seen=lambda: None):
        self.library, self.seen, self.noted, self.arrived = library, seen, [], threading.Event()

    def ping(self, name):
        self.seen()
        return name

    def buy(self, lines, hurry):
        self.seen()
        if hurry:
            kind = SoldOut if self.library == "apache" else other.SoldOut
            raise kind(item=lines[0].item)
        return sum(line.count for line in lines)

    def fail(self, how):
        self.seen()
        raise KeyError(how)

    def note(self, text):
        self.seen()
        self.noted.append(text)
        self.arrived.set()


def processor(library, service):
    if library == "apache":
        return Shop.Processor(service)
    return thriftpy2.thrift.TProcessor(other.Shop, service)


def factories(library, kind):
    """Of transports and protocols."""
    if library == "apache":
        return {
            "binary": (TTransport.TBufferedTransportFactory(), TBinaryProtocol.TBinaryProtocolAcceleratedFactory()),
            "slow": (TTransport.TBufferedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()),
            "framed": (TTransport.TFramedTransportFactory(), TBinaryProtocol.TBinaryProtocolAcceleratedFactory()),
            "json": (TTransport.TFramedTransportFactory(), TJSONProtocol.TJSONProtocolFactory()),
            "compact": (TTransport.TFramedTransportFactory(), TCompactProtocol.TCompactProtocolAcceleratedFactory()),
            "header": (TTransport.TTransportFactoryBase(), THeaderProtocol.THeaderProtocolFactory(ANY)),
            "header compact": (
                TTransport.TTransportFactoryBase(),
                THeaderProtocol.THeaderProtocolFactory(ANY, THeaderSubprotocolID.COMPACT),
            ),
        }[kind]
    transport, protocol = thriftpy2.transport, thriftpy2.protocol
    if kind.startswith("header"):
        from metlog.thrift import theader

        return theader.HeaderTransportFactory(), theader.HeaderProtocolFactory(
            "compact" if "compact" in kind else "binary"
        )
    return {
        "binary": (transport.TBufferedTransportFactory(), protocol.TBinaryProtocolFactory()),
        "slow": (
            transport.buffered.TBufferedTransportFactory(),
            protocol.binary.TBinaryProtocolFactory(),
        ),
        "framed": (transport.TFramedTransportFactory(), protocol.TBinaryProtocolFactory()),
        "compact": (transport.framed.TFramedTransportFactory(), protocol.compact.TCompactProtocolFactory()),
    }[kind]


class Server:
    """Serves each connection in a thread, until it is closed."""

    def __init__(self, library, kind, processor, port=0):
        self.library, self.kind, self.processor = library, kind, processor
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.threads = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        trans, protocol = factories(self.library, self.kind)
        if self.library == "apache":
            server = TServer.TThreadedServer(self.processor, None, trans, protocol)
        else:
            server = thriftpy2.server.TThreadedServer(
                self.processor, None, itrans_factory=trans, iprot_factory=protocol
            )
        while True:
            try:
                accepted, _ = self.socket.accept()
            except OSError:
                return
            if self.library == "apache":
                one = TSocket.TSocket()
                one.setHandle(accepted)
            else:
                one = thriftpy2.transport.TSocket()
                one.set_handle(accepted)
            thread = threading.Thread(target=server.handle, args=(one,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def close(self):
        """No more connections; those that are there have ended when this returns, if their clients have closed."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
        for thread in self.threads:
            thread.join(5)


class Client:
    """A client of either library, and how to ask it in the same words."""

    def __init__(self, library, kind, port, wrap=lambda protocol: protocol):
        self.library = library
        trans, protocol = factories(library, kind)
        if library == "apache":
            self.socket = TSocket.TSocket("127.0.0.1", port)
            self.socket.setTimeout(10_000)
            # As clients of generated code are made: THeader makes its own transport.
            self.trans = trans.getTransport(self.socket)
            made = wrap(protocol.getProtocol(self.trans))
            self.trans.open()
            self.client = Shop.Client(made)
        else:
            self.socket = thriftpy2.transport.TSocket("127.0.0.1", port, socket_timeout=10_000)
            self.trans = trans.get_transport(self.socket)
            made = wrap(protocol.get_protocol(self.trans))
            self.trans.open()
            self.client = thriftpy2.thrift.TClient(other.Shop, made)

    def line(self, item, count):
        return (Line if self.library == "apache" else other.Line)(item=item, count=count)

    def close(self):
        self.trans.close()

    @property
    def sold_out(self):
        return SoldOut if self.library == "apache" else other.SoldOut


class Wire:
    """Passes on what goes to a port, and notes it."""

    def __init__(self, port):
        self.sent, self.received = bytearray(), bytearray()
        self.target = port
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                here, _ = self.socket.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.target))
            for args in ((here, there, self.sent), (there, here, self.received)):
                self.threads.append(threading.Thread(target=self._pass, args=args, daemon=True))
                self.threads[-1].start()

    @staticmethod
    def _pass(source, sink, noted):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                noted += data
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(5)


def well_formed(found, goes_on):
    """Each call of a server lies below one of a client in the same trace, and each of a client below its root."""
    found = [one for one in found if "span_id" in one]
    by_id = {one["span_id"]: one for one in found}
    assert len(by_id) == len(found)
    for one in found:
        # Calls without a reply have no ids of Milo's.
        if one["kind"] == 2 and (not goes_on or (one["name"] == "Shop.note" and int(one["parent_span_id"], 16) == 0)):
            assert one["parent_span_id"] == "0" * 16
        elif one["kind"] in (2, 3):
            above = by_id[one["parent_span_id"]]
            assert above["trace_id"] == one["trace_id"]
            assert above["kind"] in ((3,) if one["kind"] == 2 else (1, 2))
            assert above["name"] == one["name"] or one["kind"] == 3
