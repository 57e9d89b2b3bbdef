"""Thrift with servers that are not threaded ones: without connections, over HTTP, and asynchronous."""

import asyncio
import http.server
import threading

import pytest
import thriftpy2.contrib.aio.client
import thriftpy2.contrib.aio.processor
import thriftpy2.contrib.aio.protocol
import thriftpy2.contrib.aio.socket
import thriftpy2.contrib.aio.transport
from test_thrift import (  # noqa: F401 - fixtures too
    calling,
    client,
    messages_of,
    opened,
    sent,
    serving,
    spans,
)
from thrift.protocol import TBinaryProtocol
from thrift.server import THttpServer, TNonblockingServer
from thrift.transport import THttpClient, TSocket
from thrift_peers import Client, Service, Shop, other, processor, well_formed

import metlog
import metlog.thrift


@pytest.mark.parametrize("carrier", ["milo", "finagle", "auto"])
def test_a_server_whose_messages_have_no_connection(opened, client, sent, carrier):  # noqa: F811
    """It agrees to no upgrade, for it would forget about it."""
    traced = metlog.thrift.trace_processor(processor("apache", Service("apache")), sender=client)
    transport = TSocket.TServerSocket("127.0.0.1", 0)
    server = TNonblockingServer.TNonblockingServer(traced, transport, threads=2)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        asked = calling(opened, "apache", "framed", transport.handle.getsockname()[1], carrier=carrier)
        with metlog.thrift.root("front", sender=client):
            assert [asked.client.ping(str(n)) for n in range(3)] == ["0", "1", "2"]
        found = spans(client, sent, 7)
        same = found["Shop.ping", "server"]["trace_id"] == found["front", "internal"]["trace_id"]
        assert same == (carrier == "milo")
    finally:
        server.stop()
        thread.join(5)
        server.close()


@pytest.mark.parametrize("carrier", ["milo", "finagle", "auto"])
def test_thrift_over_http(client, sent, carrier):  # noqa: F811
    traced = metlog.thrift.trace_processor(processor("apache", Service("apache")), sender=client)
    server = THttpServer.THttpServer(
        traced, ("127.0.0.1", 0), TBinaryProtocol.TBinaryProtocolFactory(), server_class=http.server.ThreadingHTTPServer
    )
    thread = threading.Thread(target=server.httpd.serve_forever, daemon=True)
    thread.start()
    try:
        trans = THttpClient.THttpClient(f"http://127.0.0.1:{server.httpd.server_port}/")
        asked = Shop.Client(TBinaryProtocol.TBinaryProtocol(trans))
        metlog.thrift.trace_client(asked, carrier=carrier)
        with metlog.thrift.root("front", sender=client):
            assert [asked.ping(str(n)) for n in range(2)] == ["0", "1"]
        found = spans(client, sent, 5)
        same = found["Shop.ping", "server"]["trace_id"] == found["front", "internal"]["trace_id"]
        assert same == (carrier == "milo")
        trans.close()
    finally:
        server.httpd.shutdown()
        server.httpd.server_close()
        thread.join(5)


class AsyncService(Service):
    """Whose methods are coroutines."""

    def __init__(self):
        super().__init__("thriftpy2")

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name not in ("ping", "buy", "fail", "note"):
            return found

        async def called(*args):
            await asyncio.sleep(0)
            return found(*args)

        return called


async def asynchronous(traced, work):
    """A server of `contrib.aio`, and what is done with its port."""
    aio = thriftpy2.contrib.aio

    async def handle(reader, writer):
        stream = aio.socket.StreamHandler(reader, writer)
        trans = aio.transport.TAsyncBufferedTransportFactory().get_transport(stream)
        protocol = aio.protocol.TAsyncBinaryProtocolFactory().get_protocol(trans)
        try:
            while not reader.at_eof():
                await traced.process(protocol, protocol)
        except Exception:  # noqa: BLE001 - as the library's own server does
            pass
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        await work(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def asynchronous_client(port, **options):
    aio = thriftpy2.contrib.aio
    trans = aio.transport.TAsyncBufferedTransportFactory().get_transport(aio.socket.TAsyncSocket("127.0.0.1", port))
    protocol = aio.protocol.TAsyncBinaryProtocolFactory().get_protocol(trans)
    await trans.open()
    return metlog.thrift.trace_client(aio.client.TAsyncClient(other.Shop, protocol), **options)


@pytest.mark.parametrize("carrier", ["milo", "auto"])
def test_tasks(client, sent, carrier):  # noqa: F811
    """Each has its own trace, and a connection in a task of the server."""
    made = thriftpy2.contrib.aio.processor.TAsyncProcessor(other.Shop, AsyncService())
    traced = metlog.thrift.trace_processor(made, sender=client)

    async def one(port, n):
        asked = await asynchronous_client(port, carrier=carrier)
        with metlog.thrift.root(f"front{n}", sender=client):
            assert await asked.ping(str(n)) == str(n)
            with pytest.raises(other.SoldOut):
                await asked.buy([other.Line(item="tea", count=1)], True)
            await asked.note("n")
            assert await asked.ping("last") == "last"
        asked.close()

    async def work(port):
        await asyncio.gather(*(one(port, n) for n in range(5)))

    asyncio.run(asynchronous(traced, work))
    found = spans(client, sent, 45)
    served = found["Shop.buy", "server"]
    assert served["attributes"]["thrift.exception"] == "declared" and served["status"][0] == 2
    assert found["Shop.note", "server"]["happened"] == ["SERVER_RECV"]
    well_formed(messages_of(client, sent, 45), carrier == "milo")


@pytest.mark.parametrize("carrier", ["milo", "finagle"])
def test_an_asynchronous_server_and_others_clients(opened, client, sent, carrier):  # noqa: F811
    made = thriftpy2.contrib.aio.processor.TAsyncProcessor(other.Shop, AsyncService())
    traced = metlog.thrift.trace_processor(made, sender=client)

    async def work(port):
        def blocking():
            asked = Client("apache", "binary", port)
            metlog.thrift.trace_client(asked.client, carrier=carrier)
            with metlog.thrift.root("front", sender=client):
                assert [asked.client.ping(str(n)) for n in range(3)] == ["0", "1", "2"]
            asked.close()

        await asyncio.get_running_loop().run_in_executor(None, blocking)

    asyncio.run(asynchronous(traced, work))
    well_formed(messages_of(client, sent, 7), True)
    assert not traced._metlog_upgraded


def test_calls_are_not_below_the_span_that_the_server_was_started_in(client, sent):  # noqa: F811
    """Tasks of connections have a copy of its context."""
    made = thriftpy2.contrib.aio.processor.TAsyncProcessor(other.Shop, AsyncService())
    traced = metlog.thrift.trace_processor(made, sender=client, accept="milo")
    starting = client.span("start")

    async def work(port):
        starting.end()
        asked = await asynchronous_client(port)
        assert await asked.ping("a") == "a"
        asked.close()

    async def start():
        starting.begin()
        await asynchronous(traced, work)

    asyncio.run(start())
    found = spans(client, sent, 2)
    assert found["Shop.ping", "server"]["parent_span_id"] == "0" * 16
    assert found["Shop.ping", "server"]["trace_id"] != found["start", "internal"]["trace_id"]
