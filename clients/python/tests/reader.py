"""Reads datagrams of wire v1, apart from the code under test."""


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
