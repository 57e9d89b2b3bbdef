"""The rules of ``schemas/clients.md``, one test or more for each, against sockets of this process."""

import datetime
import logging
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from reader import messages, read

import metlog
from metlog import (
    Outcome,
    _lines,  # noqa: F401 - by its name in the package
)


@pytest.fixture
def sink():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


def address(server):
    return "127.0.0.1:%d" % server.getsockname()[1]


def received(server):
    """All that has come."""
    server.setblocking(False)
    out = []
    try:
        while True:
            out.append(server.recv(65_536))
    except BlockingIOError:
        return out


def captured(**config):
    capture = metlog.Captured()
    return metlog.Client(destinations=capture, **config), capture


def test_never_raises():
    class Bad:
        def __str__(self):
            raise RuntimeError("no text")

    client, capture = captured(statsd_destination=metlog.Captured())
    itself = {}
    itself["self"] = itself
    for payload in (None, 3, b"\xff", Bad(), "\ud800", [1], {"a": Bad()}, float("nan")):
        assert isinstance(client.send(("a", Bad(), None), payload), Outcome)
        assert isinstance(client.message(payload, fields={Bad(): payload, 1: itself}), Outcome)
    for call in (client.incr, client.gauge, client.timing, client.set, client.gauge_delta):
        for value in (None, "x", float("nan"), Bad(), object(), 10**400):
            assert isinstance(call("name", value), Outcome)
        assert isinstance(call(None, 1), Outcome)
    assert client.message("x", timestamp="yesterday") is Outcome.DROPPED
    assert client.send(None, "") is Outcome.DROPPED
    client.close()
    assert "<Bad>" in [message["payload"] for message in messages(capture)]


def test_whatever_callers_pass_costs_nothing_that_comes_behind():
    """What has no text of its own gets one, also where the sending thread finds out."""
    client, capture = captured(statsd_destination=(lines := metlog.Captured()))
    for _ in range(3):
        client.send((["x"], 3, {"a": 1}), "strange")
        client.send(("a",), "plain")
        client.timing(["x"], 1.5)
        client.timing("b", 1.5)
        client.incr(["x"])
    client.close()
    found = [(message["tokens"], message["payload"]) for message in messages(capture)]
    assert found == [(["['x']", "3", "{'a': 1}"], "strange"), (["a"], "plain")] * 3
    sent = b"\n".join(lines.datagrams).split(b"\n")
    assert sent == [b"['x']:1.5|ms", b"b:1.5|ms", b"['x']:1|c"] * 3


def test_off_until_it_is_configured():
    client = metlog.Client()
    assert client.send(("a",), "x") is Outcome.OFF
    assert client.incr("a") is Outcome.OFF
    assert client.timer("a").__enter__() is not None
    assert client.flush() and client.close()
    assert client.stats() == metlog.Stats()


def test_everything_that_a_message_can_have():
    client, capture = captured(logger="sync", hostname="web1", type="metlog", severity=5)
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)
    client.message("p", type="login", tokens=["a", 1], fields={"n": {"x": [1, None]}, "t": True, "f": 2.0},
                   severity=3, logger="auth", timestamp=at)  # fmt: skip
    client.send(("browserid", "login"), "user 25")
    client.close()
    first, second = messages(capture)
    assert first["timestamp"] == 1767323045678901
    assert (first["type"], first["logger"], first["severity"]) == ("login", "auth", 3)
    assert first["tokens"] == ["a", "1"]
    assert first["fields"] == [["n.x[0]", "1"], ["n.x[1]", "null"], ["t", "true"], ["f", "2"]]
    assert (second["type"], second["logger"], second["severity"]) == ("metlog", "sync", 5)
    assert (second["hostname"], second["pid"]) == ("web1", os.getpid())
    assert abs(second["timestamp"] / 1e6 - time.time()) < 60


def test_queue_full_and_dropped_is_told():
    client, capture = captured(queue_messages=10, thread="native")
    pipe = client._pipe
    pipe._draining.acquire()  # the sending thread is held up
    outcomes = [client.send(("t",), str(n)) for n in range(25)]
    pipe._draining.release()
    client.close()
    queued = outcomes.count(Outcome.QUEUED)
    assert outcomes.count(Outcome.DROPPED) == 25 - queued >= 5
    assert [message["payload"] for message in messages(capture)] == [str(n) for n in range(queued)]
    assert read(capture.datagrams[-1])[0]["dropped"] == 25 - queued


def test_too_large():
    client, capture = captured()
    assert client.send(("t",), "x" * 1_433) is Outcome.OVERSIZE
    assert client.send(("t",), "\u00e4" * 1_000) is Outcome.QUEUED  # the thread sees that it is 2,000 bytes
    assert client.send(("t",), "x" * 1_200) is Outcome.QUEUED
    client.flush()
    assert client.stats().oversize == client.stats().dropped == 2
    client.close()
    assert [len(message["payload"]) for message in messages(capture)] == [1_200]


def test_datagrams_are_filled_and_numbered():
    client, capture = captured()
    for n in range(1_000):
        client.send(("a", "b"), "message %d" % n)
    client.close()
    assert all(len(datagram) <= 1_432 for datagram in capture.datagrams)
    assert [read(datagram)[0]["sequence"] for datagram in capture.datagrams] == list(range(len(capture.datagrams)))
    assert len(capture.datagrams) < 30
    assert [message["payload"] for message in messages(capture)] == ["message %d" % n for n in range(1_000)]


def test_names_and_texts_that_are_not_as_they_should_be():
    client, capture = captured()
    client.message("a\ud800b", type="ä" * 200, fields={"\udfff": "x"})
    client.close()
    (message,) = messages(capture)
    assert message["payload"] == "a\ufffdb"
    assert message["type"] == "ä" * 127, "cut at a character"
    assert message["fields"] == [["\ufffd", "x"]]


def test_filters():
    filters = {"severity_max": 4, "type_blacklist": ["debug"], "type_severity_max": {"wsgi": 3}}
    client, capture = captured(severity=4, filters=filters)
    assert client.send(("a",), "passes") is Outcome.QUEUED
    assert client.message("no", severity=5) is Outcome.FILTERED
    assert client.message("no", type="debug", severity=0) is Outcome.FILTERED
    assert client.message("no", type="wsgi") is Outcome.FILTERED
    client.flush()
    assert client.stats().filtered == 3
    client.close()
    assert [message["payload"] for message in messages(capture)] == ["passes"]


def test_statsd_off_and_disabled_timers():
    client = metlog.Client(destinations=[], statsd=False)
    assert {client.incr("a"), client.gauge("a", 1), client.timing("a", 1)} == {Outcome.OFF}
    lines = metlog.Captured()
    client = metlog.Client(destinations=[], statsd_destination=lines, disabled_timers=["slow"])
    assert client.timing("slow", 1) is Outcome.OFF
    assert client.timing("fast", 1) is Outcome.QUEUED
    client.close()
    assert lines.datagrams == [b"fast:1|ms"]


def test_sampling_is_decided_for_each_call():
    lines = metlog.Captured()
    client = metlog.Client(destinations=[], statsd_destination=lines, queue_messages=100_000)

    @client.timer("work", rate=0.5)
    def work():
        return 7

    assert all(work() == 7 for _ in range(1_000))
    outcomes = [client.incr("n", rate=0.1) for _ in range(10_000)]
    client.close()
    values = b"\n".join(lines.datagrams).split(b"\n")
    timed = [value for value in values if value.startswith(b"work:")]
    assert 350 < len(timed) < 650 and all(value.endswith(b"|ms|@0.5") for value in timed)
    assert 700 < outcomes.count(Outcome.QUEUED) < 1_300
    assert values.count(b"n:1|c|@0.1") == outcomes.count(Outcome.QUEUED)


def test_timers_of_blocks_functions_and_coroutines():
    import asyncio

    lines = metlog.Captured()
    client = metlog.Client(destinations=[], statsd_destination=lines)
    with client.timer("block") as timer:
        pass
    assert timer.result is not None

    @client.timer("coroutine")
    async def coroutine():
        await asyncio.sleep(0.02)
        return 1

    assert asyncio.run(coroutine()) == 1
    with pytest.raises(KeyError), client.timer("failing"):
        raise KeyError
    client.close()
    values = dict(line.split(b":") for line in b"\n".join(lines.datagrams).split(b"\n"))
    assert set(values) == {b"block", b"coroutine", b"failing"}
    assert float(values[b"coroutine"].split(b"|")[0]) >= 20


def test_listener_gone(sink):
    client = metlog.Client(destinations=[address(sink)], statsd=False)
    client.send(("a",), "1")
    client.flush()
    assert len(received(sink)) >= 1
    port = sink.getsockname()[1]
    sink.close()
    for _ in range(3):
        client.send(("a",), "lost")
        client.flush()
        time.sleep(0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.settimeout(5)
        deadline = time.monotonic() + 20
        found = []
        while not found and time.monotonic() < deadline:
            client.send(("a",), "back")
            client.flush()
            time.sleep(0.05)
            found = [read(datagram) for datagram in received(again) if read(datagram)[1]]
        header, content = found[0]
        assert content[0]["payload"] == "back"
        assert header["sequence"] >= 4, "what was lost shows in the sequence"
    client.close()


def test_unix_socket_that_comes_later(tmp_path):
    path = str(tmp_path / "metlog.sock")
    client = metlog.Client(destinations=["unix:" + path], statsd=False)
    client.send(("a",), "nobody listens")
    client.flush()
    assert client.stats().send_errors == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        time.sleep(0.15)
        client.send(("a",), "here")
        client.flush()
        found = [read(server.recv(65_536))]
        while not found[-1][1]:  # heartbeats
            found.append(read(server.recv(65_536)))
        header, content = found[-1]
        assert (header["sequence"], content[0]["payload"]) == (1, "here")
    client.close()


def test_heartbeats(sink):
    client = metlog.Client(destinations=[address(sink)], statsd=False)
    client.send(("a",), "1")
    time.sleep(0.6)
    first, *beats = [read(datagram) for datagram in received(sink)]
    assert first[0]["sequence"] == 0
    assert beats and all(header["heartbeat"]["next"] == 1 for header, _ in beats)
    client.close()


def test_key(sink):
    import hashlib
    import hmac

    client = metlog.Client(destinations=[address(sink)], statsd=False, key_id="web", key="hex:00ff")
    client.send(("a",), "1")
    client.flush()
    datagram = sink.recv(65_536)
    assert datagram[-32:] == hmac.new(b"\x00\xff", datagram[:-32], hashlib.sha256).digest()
    client.close()


def test_callers_of_many_threads():
    client, capture = captured(queue_messages=1_000_000)
    threads = [threading.Thread(target=lambda: [client.send(("t",), "x") for _ in range(2_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert len(messages(capture)) == 16_000


def test_without_a_thread():
    client, capture = captured(thread="none")
    before = threading.active_count()
    for _ in range(100):
        client.send(("t",), "x" * 100)
    assert len(capture.datagrams) >= 5, "full ones have left"
    assert threading.active_count() == before
    client.close()
    assert len(messages(capture)) == 100


def test_forked_children(sink):
    """Parent and children each have a sender of their own, and none says what another was told to."""
    client = metlog.Client(destinations=[address(sink)], statsd=False)
    for n in range(50):
        client.send(("parent",), str(n))
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            for n in range(20):
                client.send(("child",), "%d-%d" % (child, n))
            client.close()
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    client.send(("parent",), "50")
    client.close()
    seen = {}
    for header, content in map(read, received(sink)):
        if content:
            seen.setdefault((header["sender"], header["pid"]), []).extend(message["payload"] for message in content)
    assert len(seen) == 4
    expected = [[str(n) for n in range(51)]] + [["%d-%d" % (child, n) for n in range(20)] for child in range(3)]
    assert sorted(seen.values()) == sorted(expected)


def test_a_forked_child_leaves_foreign_sockets_alone(sink):
    """A child that closed every descriptor has other files under the old numbers."""
    client = metlog.Client(destinations=[address(sink)], statsd=False)
    client.send(("a",), "1")
    client.flush()
    received(sink)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.closerange(3, 256)
        mine = [os.open(os.devnull, os.O_RDWR) for _ in range(20)]
        client.send(("a",), "child")
        client.close()
        for descriptor in mine:
            os.fstat(descriptor)  # raises if the client closed it
        os._exit(0)
    os.close(write_end)
    os.close(read_end)
    assert os.waitpid(pid, 0)[1] == 0
    assert [content[0]["payload"] for _, content in map(read, received(sink)) if content] == ["child"]
    client.close()


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemExit(3)", "1 / 0"])
def test_exit(sink, ending):
    program = "import sys, metlog; metlog.init(destinations=[sys.argv[1]], statsd=False)\n"
    program += "for n in range(100): metlog.send(('a',), str(n))\n" + ending
    subprocess.run([sys.executable, "-c", program, address(sink)], timeout=30, stderr=subprocess.DEVNULL, check=False)
    seen = [message["payload"] for _, content in map(read, received(sink)) for message in content]
    assert seen == [str(n) for n in range(100)]


def test_import_needs_nothing():
    """No network, no thread, no file: what an application's start must not wait for."""
    program = (
        "import socket, sys, threading\n"
        "def refuse(*_, **__): raise AssertionError('the network at import')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import metlog\n"
        "assert threading.active_count() == 1 and not hasattr(sys.modules.get('logging'), 'metlog')\n"
        "assert 'asyncio' not in sys.modules and 'tomllib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], timeout=30, check=True)


def test_our_own_logging_does_not_call_itself():
    client, capture = captured()
    assert logging.getLogger("metlog").handlers == []
    client.close()
    assert capture.datagrams == []


@pytest.mark.skipif(sys.platform != "linux", reason="fork in C by the name that glibc has")
def test_a_fork_in_c_is_noticed_without_asking_for_the_process(monkeypatch):
    """Whatever forks, the child's page is empty: its ids and its queue are its own."""
    import ctypes

    from metlog import _process

    mark, ids = _process.mark(), _process.Ids()
    assert mark[0] and not isinstance(mark, _process.Asked)
    read, write = os.pipe()
    child = ctypes.CDLL(None).fork()
    if not child:
        os.write(write, b"%d %d" % (mark[0], ids.bits(64)))
        os._exit(0)
    os.waitpid(child, 0)
    mine, theirs = os.read(read, 100).split()
    os.close(read)
    os.close(write)
    assert mine == b"0" and int(theirs) != ids.bits(64)
    monkeypatch.setattr(_process.sys, "platform", "other")
    assert isinstance(_process.mark(), _process.Asked) and _process.mark()[0] == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_goes_in_comes_out_in_order_or_is_counted(seed):
    """The loops that write plain messages and values beside the careful ones: sizes around every boundary."""
    import random

    dice = random.Random(seed)
    lines = metlog.Captured()
    size = dice.choice((256, 300, 1_432, 9_000))
    client, capture = captured(statsd_destination=lines, datagram_bytes=size, statsd_datagram_bytes=size, hostname="h")
    texts = ("x", "\u20ac", "\U0001f600", "\ud800", "a\n")
    sent, values, dropped = [], [], 0
    room = client._pipe.datagrams.body_bytes_max
    for n in range(1_500):
        payload = dice.choice(texts) * dice.choice(
            (0, 1, 60, 63, 64, 126, 127, 128, room // 3, room - 40, room, 17_000)
        )
        tokens = dice.choice((("a", "b"), (), ("t" * 130,), ("\ud800",), (str(n),)))
        if dice.random() < 0.8:
            client.send(tokens, payload)
        else:
            client.message(payload, tokens=tokens, fields={"n": n})
        sent.append((list(tokens), payload))
        kind = dice.randrange(5)
        name = dice.choice(("n", "m" * 100, "\u20ac:", "p" * (size - 6)))
        value = dice.choice((0, 1.0, 12.5, -3, 1e-9, 2.5e22, 1 << 70))
        if kind == 0:
            client.incr(name)
            values.append(f"{name}:1|c")
        else:
            client.timing(name, value)
            values.append(f"{name}:{_lines.number(value)}|ms")
        if dice.random() < 0.05:
            client.flush()
        if dice.random() < 0.002:
            time.sleep(0.002)
    client.close()
    found = [(message["tokens"], message["payload"]) for message in messages(capture)]
    wanted = [([clean(token) for token in tokens], clean(payload)) for tokens, payload in sent]
    # What is missing was too large, and counted: the rest is there, in order.
    left = iter(wanted)
    assert all(one in left for one in found), "in order, and nothing else"
    headers = [read(datagram)[0] for datagram in capture.datagrams]
    assert [header["sequence"] for header in headers] == list(range(len(headers)))
    assert all(len(datagram) <= size for datagram in capture.datagrams)
    got = [line for datagram in lines.datagrams for line in datagram.decode().split("\n")]
    expected = [line.replace("\u20ac:", "\u20ac_", 1) for line in values]
    fitting = [line for line in expected if len(line.encode()) <= size]
    assert got == fitting and all(len(datagram) <= size for datagram in lines.datagrams)
    dropped = len(wanted) - len(found) + len(expected) - len(fitting)
    assert headers[-1]["dropped"] == dropped


def clean(text):
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
