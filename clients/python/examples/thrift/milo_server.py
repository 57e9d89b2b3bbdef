"""The server of Milo's example, whose calls are spans: HelloWorld on port 9090, framed.

    python milo_server.py [PORT]

It understands calls of Milo's clients, of Finagle's and of plain ones. Spans go to 127.0.0.1:5565, or to where
METLOG_DESTINATION says.
"""

import sys

from helloworld import HelloWorld
from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.transport import TSocket, TTransport

import metlog
import metlog.thrift


class HelloWorldHandler:
    def ping(self, name):
        metlog.send(("ping",), name)  # carries the ids of the call
        return name


def main():
    metlog.init(logger="HelloWorld")
    processor = metlog.thrift.trace_processor(HelloWorld.Processor(HelloWorldHandler()))
    transport = TSocket.TServerSocket("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9090)
    transport.listen()
    print("Serving on port", transport.handle.getsockname()[1], flush=True)
    transport.listen = lambda: None  # it does already
    server = TServer.TThreadedServer(
        processor,
        transport,
        TTransport.TFramedTransportFactory(),
        TBinaryProtocol.TBinaryProtocolFactory(),
        daemon=True,
    )
    server.serve()


if __name__ == "__main__":
    main()
