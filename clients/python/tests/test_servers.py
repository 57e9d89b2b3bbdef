"""Under the real servers of PyPI, into a real listener: everything that was sent is there once, whatever forks.

Needs the binary: ``METLOG_BINARY=…/metlog pytest``. ``cargo xtask test`` sets it.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
import metlog_process  # noqa: E402

BINARY = os.environ.get("METLOG_BINARY")
pytestmark = pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
TOOLS = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module")
def listener():
    with metlog_process.running(BINARY) as metlog:
        yield metlog


@pytest.fixture
def environment(listener):
    source = os.pathsep.join([str(HERE.parent / "src"), str(HERE / "apps")])
    return {
        **os.environ,
        "PYTHONPATH": source,
        "METLOG_DESTINATION": f"127.0.0.1:{listener.metlog}",
        "METLOG_STATSD_DESTINATION": f"127.0.0.1:{listener.statsd}",
    }


def rows(listener, condition):
    return listener.sql(f"select pid, payload, tokens[1] as token from messages where {condition}")


def settled(listener, since, expected, condition):
    """The rows, once as many are there as were sent; and nothing was lost."""
    found = metlog_process.until(
        f"{expected} rows where {condition}",
        lambda: got if len(got := rows(listener, condition)) >= expected else None,
        20,
    )
    time.sleep(0.2)
    assert len(rows(listener, condition)) == expected, "none twice"
    ledger = listener.ledger()
    metlog_process.balanced(ledger)
    assert ledger["lost"] == 0 and ledger["rejected"] == 0 and ledger["dropped_by_clients"] == 0, ledger
    assert since <= ledger["received"]
    return found


@contextlib.contextmanager
def serving(command, environment, port):
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=HERE,
                               start_new_session=True)  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.stderr.read().decode()[-2_000:]
            assert time.monotonic() < deadline, "the server did not start"
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/?n=first", timeout=5):
                break
            time.sleep(0.05)
        yield process
    finally:
        # Its workers too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


SERVERS = {
    "gunicorn": ["gunicorn", "-w", "3", "-b", "127.0.0.1:PORT", "web:application"],
    "gunicorn_preload": ["gunicorn", "--preload", "-w", "3", "-b", "127.0.0.1:PORT", "web:application"],
    "gunicorn_threads": ["gunicorn", "--preload", "-w", "2", "--threads", "4", "-b", "127.0.0.1:PORT",
                         "web:application"],
    "gunicorn_gevent": ["gunicorn", "-k", "gevent", "-w", "2", "-b", "127.0.0.1:PORT", "web:application"],
    "uwsgi": ["uwsgi", "--http-socket", "127.0.0.1:PORT", "-M", "-p", "3", "--enable-threads", "-w", "web:application",
              "--die-on-term", "-L"],
    "uwsgi_lazy": ["uwsgi", "--http-socket", "127.0.0.1:PORT", "-M", "-p", "2", "--lazy-apps", "--enable-threads",
                   "-w", "web:application", "--die-on-term", "-L"],
    "uvicorn": ["uvicorn", "--port", "PORT", "--workers", "2", "web:asgi"],
    "granian": ["granian", "--interface", "wsgi", "--port", "PORT", "--workers", "2", "web:application"],
}  # fmt: skip

#: How many processes load the application, where it is not once.
LOADED = {"uwsgi_lazy": 2, "granian": 2, "uvicorn": 2, "gunicorn": 3, "gunicorn_gevent": 2}


@pytest.mark.parametrize("server", SERVERS)
def test_servers(listener, environment, server):
    port = metlog_process.free_port()
    command = [part.replace("PORT", str(port)) for part in SERVERS[server]]
    command[0] = str(TOOLS / command[0])
    environment["METLOG_LOGGER"] = server
    environment["METLOG_HOSTNAME"] = server
    before = listener.ledger()["received"]
    with serving(command, environment, port) as process:
        pids = set()
        for n in range(150):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/?n={n}", timeout=30) as response:
                pids.add(int(response.read()))
        loaded = f"hostname = '{server}' and tokens[1] = 'loaded'"
        # uWSGI never stops a worker that is told to while it loads the application, with or without us.
        metlog_process.until("all have loaded", lambda: len(rows(listener, loaded)) >= LOADED.get(server, 1))
        process.send_signal(signal.SIGTERM)
        if server.startswith("uwsgi"):
            # The same happens to a worker that has just been forked; then there is nothing but to kill it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
        else:
            process.wait(timeout=30)
    condition = f"hostname = '{server}' and tokens[1] = 'request' and payload != 'first'"
    found = settled(listener, before + 150, 150, condition)
    assert sorted(int(row["payload"]) for row in found) == list(range(150))
    assert {row["pid"] for row in found} == pids, "each process speaks for itself"
    told = rows(listener, loaded)
    assert all(str(row["pid"]) == row["payload"] for row in told), "no child repeats its parent's messages"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(listener, environment, method):
    environment["METLOG_HOSTNAME"] = "pool_" + method
    subprocess.run([sys.executable, HERE / "apps" / "pool.py", method], env=environment, timeout=60, check=True)
    found = settled(listener, 300, 300, f"hostname = 'pool_{method}' and tokens[1] = 'work'")
    assert sorted(int(row["payload"]) for row in found) == list(range(300))
    assert len({row["pid"] for row in found}) > 1
    assert len(rows(listener, f"hostname = 'pool_{method}' and tokens[1] = 'parent'")) == 2


def test_celery(listener, environment, tmp_path):
    environment.update(FOLDER=str(tmp_path), METLOG_HOSTNAME="celery")
    send = "import tasks\nfor n in range(60): tasks.work.delay(n)"
    subprocess.run([sys.executable, "-c", send], env=environment, timeout=60, check=True)
    worker = [str(TOOLS / "celery"), "-A", "tasks", "worker", "-c", "2", "--without-gossip", "--without-mingle"]
    process = subprocess.Popen(
        worker, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        condition = "hostname = 'celery' and tokens[1] = 'work'"
        metlog_process.until("60 tasks", lambda: len(rows(listener, condition)) >= 60, 40)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    found = settled(listener, 60, 60, condition)
    assert sorted(int(row["payload"]) for row in found) == list(range(60))


@pytest.mark.parametrize("which", ["gevent", "eventlet"])
def test_green_threads_do_not_hold_up_the_sending_thread(listener, environment, which):
    environment["METLOG_HOSTNAME"] = which
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "apps" / "green.py", which],
        env=environment, timeout=60, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert int(done.stdout) >= 3, "datagrams left while no green thread paused"
    last = f"hostname = '{which}' and payload like 'last%'"
    metlog_process.until("the last message", lambda: rows(listener, last))
    found = rows(listener, f"hostname = '{which}' and payload not like 'last%'")
    for worker in range(3):
        numbers = sorted(int(row["payload"].split("-")[1]) for row in found if row["payload"].startswith(f"{worker}-"))
        assert numbers == list(range(len(numbers))) and numbers
    assert listener.ledger()["lost"] == 0


def test_killed_processes_show_as_what_they_are(listener, environment):
    """What a killed process had sent is there; what it still held is lost, and nothing else."""
    environment["METLOG_HOSTNAME"] = "killed"
    program = (
        "import metlog, sys, time\nmetlog.init()\n"
        "for n in range(100): metlog.send(('a',), str(n))\n"
        "metlog.flush(); print('sent', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"sent\n"
    process.kill()
    process.wait()
    process.stdout.close()
    settled(listener, 100, 100, "hostname = 'killed'")


def test_full_queues_balance(listener, environment):
    """created = dropped by clients + received, to the message."""
    program = (
        "import metlog\nclient = metlog.init(queue_messages=50, hostname='full')\n"
        "client._pipe._draining.acquire()\n"
        "outcomes = [metlog.send(('a',), 'x') for _ in range(1000)]\n"
        "client._pipe._draining.release()\n"
        "metlog.flush()\n"
        "print(client.stats().queued, client.stats().dropped)"
    )
    before = listener.ledger()["dropped_by_clients"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, timeout=60, check=True, stdout=subprocess.PIPE
    )
    queued, dropped = map(int, done.stdout.split())
    assert queued + dropped == 1_000
    metlog_process.until("the rows", lambda: len(rows(listener, "hostname = 'full'")) == queued)
    assert listener.ledger()["dropped_by_clients"] - before == dropped


def test_spans_are_rows_and_messages_carry_their_ids(listener, environment):
    environment["METLOG_HOSTNAME"] = "spans"
    program = (
        "import metlog\nmetlog.init(logger='checkout')\n"
        "for n in range(100):\n"
        "    with metlog.span('outer', 'server', {'n': n, 'list': [1, 'a']}) as outer, metlog.span('inner') as inner:\n"
        "        metlog.send(('in',), str(n))\n"
        "        inner.status('error', 'no')\n"
    )
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=True)
    query = (
        "select count(*) as n from spans o join spans i on i.trace_id = o.trace_id and i.parent_span_id = o.span_id "
        "join messages m on m.fields['span_id'] = i.span_id and m.fields['trace_id'] = i.trace_id "
        "where o.service = 'checkout' and o.kind = 'server' and i.status = 'error' and o.parent_span_id = '' "
        "and o.attributes['n'] = m.payload and o.attributes['list'] = '[1,\"a\"]'"
    )
    metlog_process.until("the rows", lambda: listener.one(query) == 100)
    assert listener.one("select count(*) from spans where service = 'checkout'") == 200
    metlog_process.balanced(listener.ledger())
