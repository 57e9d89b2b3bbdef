"""Green threads that never pause, under gevent or eventlet; the sending thread must run all the same."""

import sys
import time

which = sys.argv[1]
if which == "gevent":
    from gevent import monkey

    monkey.patch_all()
    import gevent

    spawn, wait = gevent.spawn, gevent.joinall
else:
    import eventlet

    eventlet.monkey_patch()

    def wait(threads):
        for thread in threads:
            thread.wait()

    spawn = eventlet.spawn
import metlog  # noqa: E402 - after the patching, as in every such service

client = metlog.init(logger=which, queue_messages=1_000_000)


def busy(worker):
    end = time.monotonic() + 0.15
    n = 0
    while time.monotonic() < end:
        metlog.send(("busy",), f"{worker}-{n}")
        n += 1
        for _ in range(1_000):
            pass
    return client.stats().datagrams


threads = [spawn(busy, worker) for worker in range(3)]
wait(threads)
sent_meanwhile = client.stats().datagrams
print(sent_meanwhile, flush=True)
metlog.send(("busy",), f"last {sent_meanwhile}")
