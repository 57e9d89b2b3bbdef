"""The APIs of PyPI's `statsd` and `datadog` on metlog's queue: their own tests, what is sent, and what is counted."""

import asyncio
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

import metlog
from metlog.compat import datadog
from metlog.compat.datadog.dogstatsd import DogStatsd
from metlog.compat.statsd import StatsClient, TCPStatsClient, UnixSocketStatsClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
BINARY = os.environ.get("METLOG_BINARY")
CACHE = pathlib.Path(os.environ.get("METLOG_CACHE") or pathlib.Path.home() / ".cache" / "metlog") / "datadog-0.56.0"
#: Datadog's own telemetry, aggregation, sender thread and its retries, texts of its log, sockets' buffers: all that
#: takes place behind the calls, where metlog has its own.
NOT_OURS = (
    "sender", "queue", "stop", "telemetry", "wait_for_pending", "aggregation", "mixed_batch", "uds_socket",
    "udp_socket", "runtime_changes", "autoflush", "sequential", "in_flight", "reconnect", "retry", "flush_interval",
    "buffering_state", "pre_fork", "socket_error", "too_long", "no_buffer_space", "overflown", "threaded",
    "transport", "retries",
)  # fmt: skip


def run_their_tests(folder, *, words=(), path=()):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    if words:
        command += ["-k", " and ".join(f"not {word}" for word in words)]
    path = os.pathsep.join([str(pathlib.Path(metlog.__file__).parents[1]), *map(str, path)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=120, check=False)
    text = done.stdout.decode()
    assert done.returncode == 0, text[-4_000:]
    return int(re.search(r"(\d+) passed", text).group(1))


def test_statsds_own_tests_pass_whole(tmp_path):
    import statsd

    theirs = (pathlib.Path(statsd.__file__).parent / "tests.py").read_text()
    text, count = re.subn(r"^from statsd import", "from metlog.compat.statsd import", theirs, flags=re.MULTILINE)
    assert count == 3
    (tmp_path / "test_theirs.py").write_text(text)
    assert run_their_tests(tmp_path) == 84, "the 85th skips itself"


def sources():
    """The folder of datadogpy's source distribution, which has its tests."""
    if not (CACHE / "tests").is_dir():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["datadog==0.56.0", "-d", str(CACHE.parent)]
        subprocess.run(command, check=True, timeout=120)
        subprocess.run(["tar", "-xzf", str(CACHE) + ".tar.gz", "-C", str(CACHE.parent)], check=True)
    return CACHE


def converted(text):
    """Imports of the new names, and no telemetry in what is expected."""
    names = "DEFAULT_BUFFERING_FLUSH_INTERVAL, DEFAULT_HOST, DEFAULT_PORT, DogStatsd, UDP_OPTIMAL_PAYLOAD_LENGTH, "
    imports = f"from metlog.compat.datadog.dogstatsd import {names}UDS_OPTIMAL_PAYLOAD_LENGTH\n"
    imports += "DogStatsd._reset_telemetry = lambda self: None"
    text = re.sub(r"^from datadog import initialize", "from metlog.compat.datadog import initialize", text, flags=re.M)
    text = re.sub(r"^from datadog\.dogstatsd\.base import .*$", imports, text, flags=re.M)
    text = re.sub(r"^from datadog\.dogstatsd\.sender_queue import .*$", "", text, flags=re.M)
    timed = "from metlog.compat.datadog._timed import Timed as TimedContextManagerDecorator"
    text = re.sub(r"^from datadog\.dogstatsd\.context import .*$", timed, text, flags=re.M)
    text = text.replace("datadog.util.compat.builtins.open", "builtins.open")
    begin = "        if telemetry is None:\n            telemetry = telemetry_metrics("
    assert begin in text
    text = text.replace(begin, "        return self.assertEqual(expected_payload, actual_payload or '')\n" + begin, 1)
    text = re.sub(r"(def telemetry_metrics\(.*\):\n)", r"\1    return None\n", text)
    text = text.replace("tests.unit.dogstatsd.test_statsd.func", "test_theirs.func")
    return text.replace("time.sleep(self._flush_interval+self.FLUSH_GRACE_PERIOD)", "pass").replace("recv(2", "recv(1")


def test_datadogs_own_tests_of_what_is_sent(tmp_path):
    theirs = sources() / "tests" / "unit" / "dogstatsd" / "test_statsd.py"
    (tmp_path / "test_theirs.py").write_text(converted(theirs.read_text()))
    assert run_their_tests(tmp_path, words=NOT_OURS, path=[sources()]) >= 85


def test_datadogs_own_tests_of_forks(tmp_path):
    theirs = (sources() / "tests" / "integration" / "dogstatsd" / "test_statsd_fork.py").read_text()
    ours = "from metlog.compat.datadog.dogstatsd import DogStatsd\nSUPPORTS_FORKING = True"
    text, count = re.subn(r"^from datadog\.dogstatsd\.base import .*$", ours, theirs, flags=re.MULTILINE)
    assert count == 1
    (tmp_path / "test_theirs.py").write_text(text)
    # The others are about its hooks around forks, of which there are none here, and about its log.
    assert run_their_tests(tmp_path, words=("register_at_fork", "does_not_log"), path=[sources()]) == 8


def lines(capture):
    return [line for datagram in capture.datagrams for line in datagram.decode().split("\n")]


@pytest.fixture
def capture():
    return metlog.Captured()


@pytest.fixture
def queued(capture):
    client = metlog.Client(destinations=[], statsd_destination=capture, queue_messages=1_000)
    yield client
    client.close()


def test_lines_of_statsd_go_through_the_queue(capture, queued):
    client = StatsClient("no.such.host.invalid", prefix="app")  # no name is looked up by callers
    client.metlog = queued
    client.incr("a")
    client.incr("a", 2)
    client.decr("a", 3, rate=1)
    client.gauge("g", 1.5)
    client.gauge("g", -2)
    client.gauge("g", 3, delta=True)
    client.set("s", "x")
    client.timing("t", 1.25)
    with client.pipeline() as pipe:
        pipe.incr("p:1")
        pipe.gauge("p", -1)
    client.incr("bad", "x", rate=1)
    client.timing("bad", float("nan"))
    queued.flush()
    assert lines(capture) == [
        "app.a:1|c", "app.a:2|c", "app.a:-3|c", "app.g:1.5|g", "app.g:0|g", "app.g:-2|g", "app.g:+3|g", "app.s:x|s",
        "app.t:1.250000|ms", "app.p_1:1|c", "app.p:0|g", "app.p:-1|g",
    ]  # fmt: skip
    assert queued.stats().dropped == 2


def test_a_subclass_that_sees_lines_still_does(capture, queued):
    seen = []

    class Seeing(StatsClient):
        def _send(self, data):
            seen.append(data)
            super()._send(data)

    client = Seeing()
    client.metlog = queued
    client.incr("a")
    client.timing("b", 2)
    queued.flush()
    assert seen == ["a:1|c", "b:2.000000|ms"] and lines(capture) == seen


def test_clients_of_one_place_share_a_queue():
    first, second = StatsClient("127.0.0.1", 9), StatsClient("127.0.0.1", 9, prefix="x")
    assert first.metlog is second.metlog and StatsClient("127.0.0.1", 10).metlog is not first.metlog
    from metlog.compat.statsd import statsd

    assert isinstance(statsd, StatsClient)


def test_djangos_settings(monkeypatch):
    import importlib

    import django.conf

    monkeypatch.setattr(django.conf, "settings", type("Settings", (), {"STATSD_PREFIX": "shop", "STATSD_PORT": 9}))
    module = importlib.import_module("metlog.compat.statsd.defaults.django")
    assert module.statsd._prefix == "shop" and module.statsd.metlog._settings.statsd_destination.port == 9


def test_lines_of_dogstatsd_go_through_the_queue(capture, queued, monkeypatch):
    monkeypatch.setenv("DD_ENV", "prod")
    client = DogStatsd(namespace="app", constant_tags=["a:1"])
    client.metlog = queued
    tags = ["b:2"]
    client.increment("n", tags=tags)
    tags.append("later")
    client.decrement("n", 2)
    client.gauge("g", -1.0, tags=("x|y",))
    client.histogram("h", 2, cardinality="low")
    client.distribution("d", 1e-7)
    client.set("s", "a|b")
    client.gauge_with_timestamp("g", 1, 1066)
    client.constant_tags.append("c:3")
    client.increment("n")
    client.namespace = None
    client.event("up", "two\nlines", alert_type="info", tags=["t"])
    client.service_check("c", DogStatsd.OK, message="m:fine")
    with client.timed("t", use_ms=True):
        pass
    with client as batch:
        batch.increment("batch")
    client.gauge("bad", "x")
    client.gauge("none", None)
    queued.flush()
    assert lines(capture) == [
        "app.n:1|c|#b:2,a:1,env:prod", "app.n:-2|c|#a:1,env:prod", "app.g:-1.0|g|#x_y,a:1,env:prod",
        "app.h:2|h|#a:1,env:prod|card:low", "app.d:0.0000001|d|#a:1,env:prod", "app.s:a_b|s|#a:1,env:prod",
        "app.g:1|g|#a:1,env:prod|T1066", "app.n:1|c|#a:1,env:prod,c:3",
        "_e{2,10}:up|two\\nlines|t:info|#t,a:1,env:prod,c:3", "_sc|c|0|#a:1,env:prod,c:3|m:m\\:fine",
        "t:0|ms|#a:1,env:prod,c:3", "batch:1|c|#a:1,env:prod,c:3",
    ]  # fmt: skip
    assert queued.stats().dropped == 1


def test_large_events_leave_by_themselves(capture, queued):
    client = DogStatsd()
    client.metlog = queued
    client.increment("a")
    client.event("t", "x" * 7_000)
    client.increment("b")
    with pytest.raises(ValueError):
        client.event("t", "x" * 9_000)
    queued.flush()
    assert [len(datagram) for datagram in capture.datagrams] == [5, 7_013, 5]


def test_coroutines_are_timed(capture, queued):
    client = DogStatsd()
    client.metlog = queued

    @client.timed()
    async def work():
        await asyncio.sleep(0)

    asyncio.run(work())
    queued.flush()
    assert lines(capture)[0].startswith("test_facades.work:0.")


def test_initialize_changes_where_values_go():
    datadog.initialize(statsd_host="127.0.0.1", statsd_port=9)
    first = datadog.statsd.metlog
    datadog.initialize(statsd_host="127.0.0.1", statsd_port=10)
    assert datadog.statsd.metlog is not first
    datadog.initialize(statsd_socket_path="unixstream:///tmp/none")
    assert datadog.statsd.metlog._settings.statsd_destination.framing == "lengths"


def test_what_is_full_or_refused_is_counted(capture):
    full = metlog.Client(destinations=[], statsd_destination=capture, queue_messages=4, thread="native")
    statsd, dogstatsd = StatsClient(), DogStatsd()
    statsd.metlog = dogstatsd.metlog = full
    full._pipe._draining.acquire()  # nothing is taken out
    for _ in range(10):
        statsd.incr("a")
        statsd.timing("a", 1)
        dogstatsd.increment("a", tags=["x"])
    full._pipe._draining.release()
    full.flush()
    assert len(lines(capture)) == 4 and full.stats().dropped == 26
    full.close()
    nowhere = UnixSocketStatsClient("/nonexistent/metlog.sock")
    for _ in range(3):
        nowhere.incr("a")
    nowhere.metlog.flush()
    assert nowhere.metlog.stats().statsd_lost == 3


@pytest.mark.parametrize("scheme", ["unix://", ""])
def test_a_unix_socket_of_either_kind(scheme, tmp_path):
    """As Datadog's agents have it: a path says nothing of the kind, and a stream has lengths before blocks."""
    path = str(tmp_path / "dsd.sock")
    client = DogStatsd(socket_path=scheme + path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        client.increment("a")
        client.gauge("b", 2)
        client.flush()
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == len(b"a:1|c\nb:2|g").to_bytes(4, "little") + b"a:1|c\nb:2|g"
        client.increment("lost")
        client.flush()
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        for _ in range(100):
            time.sleep(0.01)
            client.increment("c")
            client.flush()
            if client.metlog.stats().statsd_lost < client.metlog.stats().statsd_queued - 2:
                break
        assert server.recv(100) == b"c:1|c"


def test_a_fork_has_a_queue_of_its_own(capture):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        client = DogStatsd("127.0.0.1", server.getsockname()[1])
        client.increment("parent")
        client.flush()
        assert server.recv(100) == b"parent:1|c"
        child = os.fork()
        if not child:
            client.increment("child")
            os._exit(0 if client.flush() else 1)
        assert os.waitpid(child, 0)[1] == 0 and server.recv(100) == b"child:1|c"


@pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
def test_every_value_arrives_by_every_transport(tmp_path):
    import metlog_process

    tcp, stream, unix = metlog_process.free_port(), tmp_path / "stream", tmp_path / "dgram"
    keys = f'statsd_tcp = "127.0.0.1:{tcp}"\nstatsd_unix_stream = "{stream}"\nstatsd_unix = "{unix}"\n'
    with metlog_process.running(BINARY, listener=keys) as listener:
        clients = {
            "udp": StatsClient("127.0.0.1", listener.statsd, prefix="udp", maxudpsize=1_432),
            "tcp": TCPStatsClient("127.0.0.1", tcp, prefix="tcp"),
            "stream": UnixSocketStatsClient(str(stream), prefix="stream"),
        }
        dogstatsd = {
            "dog_udp": DogStatsd("127.0.0.1", listener.statsd, namespace="dog_udp", constant_tags=["a:1"]),
            "dog_unix": DogStatsd(socket_path=f"unix://{unix}", namespace="dog_unix"),
        }
        for n in range(1_000):
            for client in clients.values():
                client.incr("n", 2)
            for client in dogstatsd.values():
                client.increment("n", 2, tags=["t:x"])
            if n % 200 == 0:
                for client in (*clients.values(), *dogstatsd.values()):
                    client.metlog.flush()
        for client in (*clients.values(), *dogstatsd.values()):
            client.metlog.flush()
            assert client.metlog.stats().statsd_lost == 0
        query = "select name, sum(count) as total from metrics where name like '%.n' and kind = 'counter' group by name"

        def totals():
            return {row["name"]: row["total"] for row in listener.sql(query)}

        expected = {f"{name}.n": 2_000.0 for name in (*clients, *dogstatsd)}
        metlog_process.until(f"the sums {expected}", lambda: totals() == expected)
