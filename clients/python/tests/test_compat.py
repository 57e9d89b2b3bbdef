"""metlog-py's API, and metlog-py's own tests as far as they run on Python 3."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from reader import messages

import metlog
from metlog.compat.client import MetlogClient
from metlog.compat.senders import DebugCaptureSender, MetlogSender, UdpSender

CACHE = pathlib.Path(os.environ.get("METLOG_CACHE") or pathlib.Path.home() / ".cache" / "metlog") / "metlog-py-0.10.0"
#: ZeroMQ is not part of this library; `_local` and mocked sockets are inside of the old one; `print >>` is Python 2.
NOT_OURS = (
    "zmq", "Zmq", "handshake", "test_oldstyle_exc_info", "TestUDPUnicode", "TestStdOutSender", "TestLoggingSender",
    "test_attrs_threadsafe", "TestUdpSender", "test_metlog_bare",
)  # fmt: skip

NOSE = """
import pytest
class SkipTest(Exception): pass
def eq_(a, b, msg=None): assert a == b, msg or f"{a!r} != {b!r}"
def ok_(value, msg=None): assert value, msg
def assert_raises(kind, call, *args, **kwargs):
    with pytest.raises(kind): call(*args, **kwargs)
def raises(kind):
    def decorator(test):
        def run(self):
            with pytest.raises(kind): test(self)
        run.__name__ = test.__name__
        return run
    return decorator
"""


def sources():
    """The folder of the old library's tests, from its source distribution on PyPI."""
    if not (CACHE / "metlog" / "tests").is_dir():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["metlog-py==0.10.0", "-d", str(CACHE.parent)]
        subprocess.run(command, check=True, timeout=120)
        subprocess.run(["tar", "-xzf", str(CACHE) + ".tar.gz", "-C", str(CACHE.parent)], check=True)
    return CACHE / "metlog" / "tests"


def converted(text):
    """Imports of the new names; nose's and Python 2's words as pytest's and Python 3's."""
    text = re.sub(r"\bmetlog\.(?!compat|tests)(\w)", r"metlog.compat.\1", text)
    text = text.replace("metlog.tests.", "")
    text = text.replace("from mock import", "from unittest.mock import").replace(
        "import StringIO", "import io as StringIO"
    )
    text = re.sub(r"from nose\.(tools|plugins\.skip) import", "from nose_words import", text)
    text = text.replace("def setUp(", "def setup_method(").replace("def tearDown(", "def teardown_method(")
    text = re.sub(r"^(from metlog\.compat\.senders)\.\w+ import", r"\1 import", text, flags=re.MULTILINE)
    return re.sub(r"\b(severity_max|type_whitelist)\.func_name", r"\1.__name__", text)


def test_metlog_pys_own_tests(tmp_path):
    (tmp_path / "nose_words.py").write_text(NOSE)
    for name in ("test_client", "test_config", "test_decorators", "test_filters", "test_logging", "test_timer"):
        (tmp_path / f"{name}.py").write_text(converted((sources() / f"{name}.py").read_text()))
    for name in ("plugin", "plugin_exception"):
        (tmp_path / f"{name}.py").write_text(converted((sources() / f"{name}.py").read_text()))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    command += ["-k", " and ".join(f"not {word}" for word in NOT_OURS)]
    path = os.pathsep.join([str(pathlib.Path(metlog.__file__).parents[1]), str(tmp_path)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, timeout=120, check=False
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text[-4_000:]
    assert int(re.search(r"(\d+) passed", text).group(1)) >= 35, text


def test_through_metlogs_own_client():
    sent, lines = metlog.Captured(), metlog.Captured()
    client = MetlogClient(MetlogSender(destinations=sent, statsd_destination=lines), "sync")
    client.metlog("login", payload="user 25", fields={"userid": 25, "nested": {"a": [1]}}, severity=4)
    client.incr("logins", 3)
    with client.timer("work") as timer:
        pass
    client.sender.client.close()
    (message,) = messages(sent)
    assert (message["type"], message["logger"], message["severity"], message["payload"]) == (
        "login",
        "sync",
        4,
        "user 25",
    )
    assert message["fields"] == [["userid", "25"], ["nested.a[0]", "1"]]
    assert lines.datagrams == [b"sync.logins:3|c\nsync.work:%d|ms" % timer.result]


def test_what_the_old_library_got_wrong():
    sender = DebugCaptureSender()
    client = MetlogClient(sender, "x")
    fields = {"a": 1}
    client.incr("n", fields=fields)
    client.timer_send("t", 1, fields=fields)
    assert fields == {"a": 1}

    @client.timer("work", rate=0.5)
    def work():
        pass

    for _ in range(400):
        work()
    timers = [message for message in map(json.loads, sender.msgs) if message["type"] == "timer"]
    assert 20 < len(timers) < 100 or len(sender.msgs) == 100, "each call is sampled for itself"
    bad = MetlogClient(UdpSender("127.0.0.1", "1"), "x")
    bad.metlog("t", payload=b"\xff", fields={"x": object()})


def test_hosts_and_ports_are_paired():
    assert UdpSender(["a", "b", "c"], ["1", 2])._destinations == [("a", 1), ("b", 2), ("c", 2)]
    assert UdpSender("a", [1, 2])._destinations == [("a", 1)]


def test_bad_configurations_say_why():
    from metlog.compat.config import client_from_text_config

    for text in ("[other]\na = 1", "[metlog]\nlogger = x"):
        with pytest.raises(ValueError, match="metlog"):
            client_from_text_config(text, "metlog")
