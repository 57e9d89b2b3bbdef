"""Loss is exact: whatever is done to listener, queue or process, the ledger's numbers add up to what was called."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import metlog

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
import metlog_process  # noqa: E402

BINARY = os.environ.get("METLOG_BINARY")
pytestmark = pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
#: So large that each message has a datagram of its own: then lost datagrams are lost messages.
PAYLOAD = "x" * 900


@pytest.fixture
def listener():
    with metlog_process.running(BINARY) as found:
        yield found


def client(listener, **config):
    config = {"destinations": f"127.0.0.1:{listener.metlog}", "statsd": False, "logger": "loss", **config}
    return metlog.Client(**config)


def counted(listener):
    """Received, lost and dropped by clients, of the ledger, which balances."""
    ledger = listener.ledger()
    metlog_process.balanced(ledger)
    return ledger["received"], ledger["lost"], ledger["dropped_by_clients"]


def settled(listener, holds):
    return metlog_process.until("the ledger", lambda: found if holds(*(found := counted(listener))) else None, 20)


def put(ours, count):
    for n in range(count):
        assert ours.send(("n", str(n)), PAYLOAD) is metlog.Outcome.QUEUED
        if n % 20 == 19:
            ours.flush()
    ours.flush()


@pytest.mark.parametrize("socket_kind", ["udp", "unix"])
def test_a_listener_that_is_killed_and_started_again(socket_kind, tmp_path):
    keys = f'metlog_unix = "{tmp_path}/metlog.sock"\n'
    with metlog_process.running(BINARY, listener=keys) as listener:
        destination = f"unix:{tmp_path}/metlog.sock" if socket_kind == "unix" else f"127.0.0.1:{listener.metlog}"
        ours = client(listener, destinations=destination)
        put(ours, 200)
        settled(listener, lambda received, lost, _: received == 200 and lost == 0)
        listener.kill()
        put(ours, 60)
        listener.start()
        time.sleep(0.15)  # a Unix socket is opened again after 100 ms
        put(ours, 100)
        received, lost, dropped = settled(listener, lambda received, lost, _: received + lost == 360)
        assert dropped == 0 and 60 <= lost <= 61, "one more where the kernel told of the one before"
        stats = ours.stats()
        assert (stats.queued, stats.datagrams, stats.dropped) == (360, 360, 0)
        if socket_kind == "unix":
            assert stats.send_errors == lost, "the client has seen each"
        ours.close()
        assert listener.one("select count(*) from messages where logger = 'loss'") == received


def test_a_full_queue(listener):
    ours = client(listener, queue_messages=50)
    put(ours, 20)
    ours._pipe._draining.acquire()  # the sending thread is held up
    outcomes = [ours.send(("n", str(n)), PAYLOAD) for n in range(500)]
    ours._pipe._draining.release()
    ours.close()
    dropped = outcomes.count(metlog.Outcome.DROPPED)
    assert dropped == 450
    assert settled(listener, lambda received, *_: received == 70) == (70, 0, dropped)


def test_what_is_dropped_last_is_told_too(listener):
    """Nothing follows that could tell it, but a flush."""
    ours = client(listener, queue_messages=4)
    ours._pipe._draining.acquire()
    for n in range(10):
        ours.send(("n", str(n)), PAYLOAD)
    ours._pipe._draining.release()
    ours.flush()
    settled(listener, lambda received, lost, dropped: (received, lost, dropped) == (4, 0, 6))
    ours.close()


def test_what_is_too_large(listener):
    ours = client(listener)
    outcomes = [
        ours.send(("n",), "x" * 2_000),
        ours.message("x", fields={"f": "x" * 2_000}),
        ours.send(("x" * 2_000,)),
        ours.send(("n",), "\u20ac" * 600),  # fits in characters, not in bytes
        ours.send(("n",), PAYLOAD),
    ]
    with ours.span("x", attributes={"large": "x" * 2_000}):
        pass
    ours.flush()
    stats = ours.stats()
    # What the caller can see at once, and what is found by the thread that writes it.
    assert outcomes[:2] == [metlog.Outcome.OVERSIZE] * 2 and stats.oversize == stats.dropped == 5
    assert settled(listener, lambda received, *_: received == 1) == (1, 0, 5)
    ours.close()


def test_more_than_is_taken(listener):
    """As fast as can be called, into a small queue, and through a kernel that drops too."""
    ours = client(listener, queue_messages=200)
    outcomes = [ours.send(("n",), PAYLOAD) for _ in range(50_000)]
    ours.close()
    dropped = outcomes.count(metlog.Outcome.DROPPED)
    assert outcomes.count(metlog.Outcome.QUEUED) + dropped == 50_000
    received, lost, told = settled(listener, lambda received, lost, told: received + lost + told == 50_000)
    assert told == dropped and received + lost >= 200


KILLED = """
import os, signal, sys, metlog
metlog.init(destinations=sys.argv[1], statsd=False, logger="loss")
for n in range(300):
    metlog.send(("n", str(n)), "x" * 900)
    if n % 20 == 19:
        metlog.flush()
metlog.flush()
metlog.default._pipe._draining.acquire()  # so that it is known what waits
for n in range(100):
    metlog.send(("waits", str(n)), "x" * 900)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_client_that_is_killed(listener):
    """What was sent is there; what waited is lost, and is all that is."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    command = [sys.executable, "-c", KILLED, f"127.0.0.1:{listener.metlog}"]
    done = subprocess.run(command, env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert settled(listener, lambda received, *_: received == 300) == (300, 0, 0)
    metlog_process.until("the rows", lambda: listener.one("select count(*) from messages where logger = 'loss'") == 300)
    assert listener.one("select count(*) from messages where tokens[1] = 'waits'") == 0
