"""The client of Milo's example: three calls below one root span.

    python milo_client.py [PORT] [CARRIER]

Prints the address of the trace in metlog's page. CARRIER is `milo` unless given; see `metlog.thrift`.
"""

import sys

from helloworld import HelloWorld
from thrift.protocol import TBinaryProtocol
from thrift.transport import TSocket, TTransport

import metlog
import metlog.thrift


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9090
    carrier = sys.argv[2] if len(sys.argv) > 2 else "milo"
    metlog.init(logger="MiloClientExample")
    transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", port))
    client = HelloWorld.Client(TBinaryProtocol.TBinaryProtocol(transport))
    metlog.thrift.trace_client(client, carrier=carrier)

    # Pairs by which the trace can be found.
    with metlog.thrift.root("MiloClientExample", {"synapse": "take over the world"}) as root:
        transport.open()
        for name in ("Chris Goffinet", "Milo Hoffman", "Gary Winston"):
            client.ping(name)
        transport.close()
    metlog.flush()
    print(f"/traces/{root.context.trace_id:032x}?way=calls")


if __name__ == "__main__":
    main()
