"""Reads datagrams of wire v1, apart from the code under test."""

import struct


def read(datagram):
    """Header and messages."""
    assert datagram[:4] == b"\xf5ML\x01", datagram[:8]
    end = 7 + int.from_bytes(datagram[5:7], "little")
    numbers = [int.from_bytes(datagram[at : at + 8], "little") for at in range(7, 39, 8)]
    header = dict(zip(("sender", "sequence", "opened_at", "dropped"), numbers))
    header["pid"] = int.from_bytes(datagram[39:43], "little")
    rest = Reader(datagram[43:end])
    header["hostname"], header["logger"] = rest.name(), rest.name()
    if datagram[4] & 1:
        header["key_id"] = rest.name()
        datagram = datagram[:-32]
    if header["sender"] == 0 and len(rest.left) >= 24:
        beat = [int.from_bytes(rest.left[at : at + 8], "little") for at in (0, 8, 16)]
        header["heartbeat"] = dict(zip(("sender", "next", "dropped"), beat))
    frames, found = datagram[end:], []
    while frames:
        size = int.from_bytes(frames[:2], "little")
        found.append(message(Reader(frames[2 : 2 + size]), header))
        frames = frames[2 + size :]
    return header, found


def message(reader, header):
    flags = reader.take(1)[0]
    if flags & 64:
        return span(reader, header, flags)
    out = {"severity": flags & 7, "timestamp": header["opened_at"] + reader.signed(), "type": reader.name()}
    out["logger"] = reader.name() if flags & 8 else header["logger"]
    out["hostname"], out["pid"] = (
        (reader.name(), reader.signed()) if flags & 16 else (header["hostname"], header["pid"])
    )
    out["env_version"] = reader.name() if flags & 32 else "1"
    out["tokens"] = [reader.text() for _ in range(reader.varint())]
    out["payload"] = reader.text()
    out["fields"] = [[reader.text(), reader.text()] for _ in range(reader.varint())]
    assert not reader.left
    return out


def messages(capture):
    """All messages of what was captured."""
    return [message for datagram in capture.datagrams for message in read(datagram)[1]]


class Reader:
    def __init__(self, left):
        self.left = left

    def take(self, size):
        taken, self.left = self.left[:size], self.left[size:]
        assert len(taken) == size
        return taken

    def name(self):
        return self.take(self.take(1)[0]).decode()

    def text(self):
        return self.take(self.varint()).decode()

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def signed(self):
        number = self.varint()
        return number >> 1 if number & 1 == 0 else -(number >> 1) - 1


def span(reader, header, flags):
    """A span, with its ids in hexadecimal."""
    out = {"kind": flags & 7}
    for key, size in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8)):
        out[key] = reader.take(size).hex()
    out["start"] = header["opened_at"] * 1_000 + reader.signed()
    out["duration"], out["flags"] = reader.signed(), reader.varint()
    status = reader.take(1)[0]
    out["status"] = (status & 3, reader.text())
    out["name"], out["trace_state"] = reader.text(), reader.text()
    out["probability"] = struct.unpack("<d", reader.take(8))[0] if status & 4 else None
    assert not flags & 0b0011_1000, "this client says no service, origin or resource of a span's own"
    out["attributes"] = attributes(reader)
    out["events"], out["links"] = [], []
    for _ in range(reader.varint()):
        out["events"].append((reader.signed(), reader.text(), attributes(reader)))
        assert reader.varint() == 0
    for _ in range(reader.varint()):
        trace_id, span_id = reader.take(16).hex(), reader.take(8).hex()
        reader.text(), reader.varint()
        out["links"].append((trace_id, span_id, attributes(reader)))
        assert reader.varint() == 0
    out["left_out"] = tuple(reader.varint() for _ in range(3))
    assert not reader.left
    return out


def attributes(reader):
    out = []
    for _ in range(reader.varint()):
        key, kind = reader.text(), reader.take(1)[0]
        if kind == 0:
            value = reader.text()
        elif kind == 1:
            value = reader.signed()
        elif kind == 2:
            value = struct.unpack("<d", reader.take(8))[0]
        elif kind in (3, 4):
            value = kind == 4
        else:
            value = reader.take(reader.varint())
        out.append((key, value))
    return out
