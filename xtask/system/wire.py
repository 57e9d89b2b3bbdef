"""Wire datagrams by schemas/wire.v1.md, for the system tests."""
import struct


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def name(text):
    return bytes([len(text.encode())]) + text.encode()


def text(text):
    return varint(len(text.encode())) + text.encode()


def wire_datagram(sender, sequence, opened_at, pid, hostname, logger, messages):
    """By schemas/wire.v1.md, not signed; `messages` are (type, tokens, payload, fields), made when it was opened."""
    header = struct.pack("<QQqQI", sender, sequence, opened_at, 0, pid) + name(hostname) + name(logger)
    out = b"\xf5ML\x01\x00" + struct.pack("<H", len(header)) + header
    for kind, tokens, payload, fields in messages:
        frame = bytes([6]) + varint(0) + name(kind) + varint(len(tokens)) + b"".join(map(text, tokens)) + text(payload)
        frame += varint(len(fields)) + b"".join(text(key) + text(value) for key, value in fields.items())
        out += struct.pack("<H", len(frame)) + frame
    return out
