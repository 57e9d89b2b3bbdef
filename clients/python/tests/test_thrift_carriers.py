"""The bytes of Thrift's carriers: shared vectors, and what is hostile."""

import json
import pathlib
import random
import struct
import tracemalloc

import pytest

from metlog.propagation import Context
from metlog.thrift import _carriers, _frame
from metlog.thrift._proxies import drive

VECTORS = json.loads(
    (pathlib.Path(__file__).resolve().parents[3] / "schemas" / "examples" / "client.thrift.json").read_text()
)


def context(said):
    if said is None:
        return None
    return Context(
        int(said["trace_id"], 16),
        int(said["span_id"], 16),
        1 if said["sampled"] else 0,
        is_decided=said["sampled"] is not None,
        is_debug=said["debug"],
    )


def reader(data):
    left = [data]

    def read(size):
        found, left[0] = left[0][:size], left[0][size:]
        return found

    return read, left


@pytest.mark.parametrize("vector", VECTORS["finagle"]["headers"], ids=lambda vector: vector["name"])
def test_headers_of_finagle(vector):
    data = bytes.fromhex(vector["header"])
    read, left = reader(data + b"next")
    assert _carriers.from_request_header(drive(_carriers.read_struct(), read)) == context(vector["context"])
    assert left == [b"next"]
    if vector["is_written"]:
        parent = int(vector["parent_span_id"], 16)
        assert _carriers.request_header(context(vector["context"]), parent).hex() == vector["header"]


@pytest.mark.parametrize("vector", VECTORS["finagle"]["malformed"], ids=lambda vector: vector["name"])
def test_headers_of_finagle_that_are_refused(vector):
    read, _ = reader(bytes.fromhex(vector["header"]))
    with pytest.raises(_carriers.Malformed):
        drive(_carriers.read_struct(), read)


@pytest.mark.parametrize("vector", VECTORS["milo"], ids=lambda vector: vector["name"])
def test_ids_of_milo(vector):
    ids = bytes.fromhex(vector["ids"])
    assert _carriers.from_milo(ids) == context(vector.get("read_as", vector["context"]))
    if vector["is_written"]:
        parent = int(vector["parent_span_id"], 16)
        assert _carriers.milo_ids(context(vector["context"]), parent) == ids


@pytest.mark.parametrize("vector", VECTORS["theader"], ids=lambda vector: vector["name"])
def test_frames_of_theader(vector):
    """Ours for thriftpy2 and Apache's read and write the same."""
    from thrift.protocol.THeaderProtocol import THeaderProtocol
    from thrift.transport.THeaderTransport import THeaderTransport
    from thrift.transport.TTransport import TMemoryBuffer

    data, message = bytes.fromhex(vector["frame"]), bytes.fromhex(vector["message"])
    frame = _frame.unpack(data[4:])
    assert frame.payload == message
    assert _carriers.from_info_headers(frame.headers) == context(vector["context"])
    made = _frame.Frame(_frame.BINARY, 0, 0, _carriers.info_headers(context(vector["context"])), message)
    assert _frame.pack(made) == data
    apache = THeaderTransport(TMemoryBuffer(data), (0,))
    assert THeaderProtocol(apache, (0,)).readMessageBegin() == ("ping", 1, 0)
    assert apache.get_headers() == frame.headers


def test_whatever_comes_is_bounded():
    """Random bytes, and vectors with bytes changed: refused or read, in little memory and with nothing else raised."""
    chance = random.Random(7)
    samples = [bytes.fromhex(vector["header"]) for vector in VECTORS["finagle"]["headers"]]
    frames = [bytes.fromhex(vector["frame"])[4:] for vector in VECTORS["theader"]]
    tracemalloc.start()
    for _ in range(3_000):
        changed = bytearray(chance.choice(samples))
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        for data in (bytes(changed), chance.randbytes(64)):
            read, _ = reader(data)
            try:
                _carriers.from_request_header(drive(_carriers.read_struct(), read))
            except _carriers.Malformed:
                pass
        changed = bytearray(chance.choice(frames))
        changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            _carriers.from_info_headers(_frame.unpack(bytes(changed)).headers)
        except _carriers.Malformed:
            pass
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_a_small_frame_that_inflates_to_much_is_refused():
    import zlib

    bomb = zlib.compress(b"\0" * (_frame.FRAME_BYTES_MAX + 1))
    headers = bytes((0, 1, 1, 0))
    body = struct.pack(">HHiH", _frame.MAGIC, 0, 0, 1) + headers + bomb
    with pytest.raises(_carriers.Malformed):
        _frame.unpack(body)
    small = struct.pack(">HHiH", _frame.MAGIC, 0, 0, 1) + headers + zlib.compress(b"payload")
    assert _frame.unpack(small).payload == b"payload"


@pytest.mark.parametrize("headers", [{b"traceparent": b"x" * 10_000}, {b"traceparent": b"\xff" * 55}])
def test_info_headers_that_say_nothing(headers):
    assert _carriers.from_info_headers(headers) is None


def test_many_info_headers_are_not_searched():
    headers = {str(n).encode(): b"" for n in range(_carriers.HEADERS_MAX)}
    headers[b"traceparent"] = f"00-{5:032x}-{6:016x}-01".encode()
    assert _carriers.from_info_headers(headers) is None
