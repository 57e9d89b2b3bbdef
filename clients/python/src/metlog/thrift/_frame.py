"""Frames of THeader: a length, a magic number, info headers and a message. Pure.

Source: ``doc/specs/HeaderFormat.md`` of Apache Thrift. What is read is bounded by the frame's length, which the
transport bounds.
"""

from __future__ import annotations

import struct
import zlib
from typing import Dict, NamedTuple, Tuple

from ._carriers import HEADERS_MAX, Malformed

MAGIC = 0x0FFF
BINARY, COMPACT = 0, 2
#: As Apache's library has it.
FRAME_BYTES_MAX = 16_384_000
_ZLIB = 1
_KEY_VALUE = 1
_TRANSFORMS_MAX = 4
_VARINT_BYTES_MAX = 5
#: After the length: magic, flags, sequence number and the length of the headers in words.
_HEAD = struct.Struct(">HHiH")


class Frame(NamedTuple):
    """What a frame says."""

    protocol: int
    flags: int
    sequence: int
    headers: Dict[bytes, bytes]
    payload: bytes


def pack(frame: Frame) -> bytes:
    """The frame with its length."""
    headers = _varint(frame.protocol) + _varint(0)
    if frame.headers:
        headers += _varint(_KEY_VALUE) + _varint(len(frame.headers))
        for key, value in frame.headers.items():
            headers += _varint(len(key)) + key + _varint(len(value)) + value
    headers += b"\0" * (-len(headers) % 4)
    if len(headers) // 4 > 0xFFFF:
        return pack(frame._replace(headers={}))
    head = _HEAD.pack(MAGIC, frame.flags & 0xFFFF, frame.sequence, len(headers) // 4)
    body = head + headers + frame.payload
    return struct.pack(">i", len(body)) + body


def unpack(body: bytes) -> Frame:
    """What follows the length.

    Raises:
        Malformed: where it is no frame of THeader, or beyond the bounds.
    """
    if len(body) < _HEAD.size:
        raise Malformed("a frame is shorter than its head")
    magic, flags, sequence, words = _HEAD.unpack_from(body)
    end = _HEAD.size + words * 4
    if magic != MAGIC or end > len(body):
        raise Malformed("the headers of a frame are longer than the frame")
    protocol, at = _number(body, _HEAD.size, end)
    count, at = _number(body, at, end)
    if count > _TRANSFORMS_MAX:
        raise Malformed("a frame is transformed too often")
    transforms = []
    for _ in range(count):
        transform, at = _number(body, at, end)
        transforms.append(transform)
    headers = _headers(body, at, end)
    payload = body[end:]
    for transform in reversed(transforms):
        if transform != _ZLIB:
            raise Malformed(f"a frame has the unknown transform {transform}")
        payload = _inflate(payload)
    return Frame(protocol, flags, sequence, headers, payload)


def _headers(body: bytes, at: int, end: int) -> Dict[bytes, bytes]:
    found: Dict[bytes, bytes] = {}
    while at < end:
        kind, at = _number(body, at, end)
        if kind != _KEY_VALUE:
            break  # padding, or what is not known
        count, at = _number(body, at, end)
        for _ in range(count):
            key, at = _bytes(body, at, end)
            value, at = _bytes(body, at, end)
            if len(found) < HEADERS_MAX:
                found[key] = value
    return found


def _inflate(payload: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(payload, FRAME_BYTES_MAX)
    except zlib.error as error:
        raise Malformed(f"a frame cannot be inflated: {error}") from None
    if inflate.unconsumed_tail or not inflate.eof:
        raise Malformed("a frame is too large when inflated, or cut off")
    return plain


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(body: bytes, at: int, end: int) -> Tuple[int, int]:
    number = 0
    for nth in range(_VARINT_BYTES_MAX):
        if at >= end:
            break
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << 7 * nth
        if byte < 0x80:
            return number, at
    raise Malformed("a number in the headers of a frame is cut off, or too long")


def _bytes(body: bytes, at: int, end: int) -> Tuple[bytes, int]:
    size, at = _number(body, at, end)
    if size > end - at:
        raise Malformed("a text in the headers of a frame is longer than they are")
    return body[at : at + size], at + size
