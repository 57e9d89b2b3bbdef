"""A service of OpenStack's that reports its RPC metrics by two lines of configuration, and no code:
`rpc.py CONFIGURATION COUNT`."""

import sys

import oslo_messaging
from oslo_config import cfg


class Endpoint:
    def work(self, ctxt, n):
        if n % 5 == 0:
            raise ValueError(n)
        return n


def main():
    conf = cfg.CONF
    conf(["--config-file", sys.argv[1]])
    transport = oslo_messaging.get_rpc_transport(conf, "fake://")
    target = oslo_messaging.Target(topic="compute", server="host-1")
    server = oslo_messaging.get_rpc_server(transport, target, [Endpoint()], "threading")
    server.start()
    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="compute"))
    failed = 0
    for n in range(int(sys.argv[2])):
        try:
            client.call({}, "work", n=n)
        except ValueError:
            failed += 1
    print(failed, flush=True)


main()
