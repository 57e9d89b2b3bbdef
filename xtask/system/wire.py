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


def signed(number):
    return varint((number << 1) ^ (number >> 63) if number >= 0 else ((-number << 1) - 1))


def attributes(pairs):
    value = lambda v: bytes([1]) + signed(v) if isinstance(v, int) else bytes([0]) + text(v)
    return varint(len(pairs)) + b"".join(text(key) + value(v) for key, v in pairs.items())


def span_frame(opened_at, trace_id, span_id, parent, name, start_nanos, duration_nanos, pairs, events):
    """A server's span without a status; `events` are (nanoseconds after the start, name, attributes)."""
    frame = bytes([0x40 | 2]) + trace_id + span_id + parent + signed(start_nanos - opened_at * 1000) + signed(duration_nanos)
    frame += varint(1) + bytes([0]) + text("") + text(name) + text("") + attributes(pairs) + varint(len(events))
    frame += b"".join(signed(after) + text(event) + attributes(of_event) + varint(0) for after, event, of_event in events)
    return frame + bytes(4)


def wire_datagram(sender, sequence, opened_at, pid, hostname, logger, messages, spans=()):
    """By schemas/wire.v1.md, not signed; `messages` are (type, tokens, payload, fields), made when it was opened; `spans` are
    what `span_frame` takes behind the time."""
    header = struct.pack("<QQqQI", sender, sequence, opened_at, 0, pid) + name(hostname) + name(logger)
    out = b"\xf5ML\x01\x00" + struct.pack("<H", len(header)) + header
    for kind, tokens, payload, fields in messages:
        frame = bytes([6]) + varint(0) + name(kind) + varint(len(tokens)) + b"".join(map(text, tokens)) + text(payload)
        frame += varint(len(fields)) + b"".join(text(key) + text(value) for key, value in fields.items())
        out += struct.pack("<H", len(frame)) + frame
    for span in spans:
        frame = span_frame(opened_at, *span)
        out += struct.pack("<H", len(frame)) + frame
    return out
