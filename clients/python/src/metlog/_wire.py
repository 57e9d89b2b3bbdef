"""Wire v1: messages and datagrams as bytes. The specification is ``schemas/wire.v1.md`` of the repository.

Pure: no clock, no socket. Texts arrive as ``str`` and leave as UTF-8; what is not valid becomes U+FFFD.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Dict, Iterable, List, Optional, Tuple

MAGIC = b"\xf5ML"
VERSION = 1
FLAG_SIGNED = 1
HEARTBEAT_SENDER = 0
#: Longest hostname, logger, type or key id, in bytes.
NAME_BYTES_MAX = 255
#: Longest frame: its length is a ``u16``.
FRAME_BYTES_MAX = 65_535
MAC_BYTES = 32
DATAGRAM_BYTES_DEFAULT = 1_432
DATAGRAM_BYTES_MIN = 256
DATAGRAM_BYTES_MAX = 65_507

_MESSAGE_LOGGER = 0b0000_1000
_MESSAGE_ORIGIN = 0b0001_0000
_MESSAGE_ENV_VERSION = 0b0010_0000
_U64 = (1 << 64) - 1
_I64_MAX = (1 << 63) - 1
_NUMBERS = struct.Struct("<QQQQ").pack
_THREE = struct.Struct("<QQQ").pack
#: Varints of one byte, the most frequent ones, made once.
_SMALL = [bytes((number,)) for number in range(128)]
#: Keys of fields, as they are written.
_keys: Dict[str, bytes] = {}
_KEYS_MAX = 4_096


def utf8(text: str) -> bytes:
    """The text as UTF-8, with U+FFFD for what has no encoding (lone surrogates)."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # One replacement character for each surrogate, as everywhere in the protocol.
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text).encode()


def varint(number: int) -> bytes:
    """Unsigned LEB128 of a number of 0 to 2**64 - 1."""
    if number < 128:
        return _SMALL[number]
    if number < 16_384:
        return bytes((number & 127 | 128, number >> 7))
    if number < 2_097_152:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14))
    if number < 268_435_456:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128, number >> 21))
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed_varint(number: int) -> bytes:
    """The varint of the zigzag of a signed number of 64 bits."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def clamp(number: int) -> int:
    """The nearest signed number of 64 bits."""
    return max(-_I64_MAX - 1, min(number, _I64_MAX))


def name(text: str) -> bytes:
    """A name: one length byte and the text, cut at a character where it is longer than 255 bytes."""
    encoded = utf8(text)
    if len(encoded) > NAME_BYTES_MAX:
        end = NAME_BYTES_MAX
        while encoded[end] & 0xC0 == 0x80:
            end -= 1
        encoded = encoded[:end]
    return _length_byte(encoded)


def _length_byte(encoded: bytes) -> bytes:
    return bytes((len(encoded),)) + encoded


def text(value: str) -> bytes:
    """A text: a varint length and the text."""
    encoded = utf8(value)
    return varint(len(encoded)) + encoded


def texts(values: Iterable[str]) -> bytes:
    """A count and the texts."""
    parts = [text(value) for value in values]
    return varint(len(parts)) + b"".join(parts)


def key(value: str) -> bytes:
    """A text that comes again and again, such as the key of a field or the name of a span: it is written once."""
    known = _keys.get(value)
    if known is None:
        if len(_keys) >= _KEYS_MAX:
            _keys.clear()
        known = _keys[value] = text(value)
    return known


def pairs(fields: Iterable[Tuple[str, str]]) -> bytes:
    """A count of fields, and key and value of each."""
    parts: "List[bytes]" = []
    count = 0
    for name_of, value in fields:
        known = _keys.get(name_of) or key(name_of)
        encoded = value.encode() if value.isascii() else utf8(value)
        size = len(encoded)
        parts += (known, _SMALL[size] if size < 128 else varint(size), encoded)
        count += 1
    return varint(count) + b"".join(parts)


def frame(
    opened_at: int,
    timestamp: int,
    severity: int,
    type_name: bytes,
    tokens: bytes,
    payload: bytes,
    fields: bytes,
    logger: Optional[bytes] = None,
    origin: Optional[bytes] = None,
    env_version: Optional[bytes] = None,
) -> Optional[bytes]:
    """One message. Times are µs since 1970; names and texts are encoded already. ``None``: longer than a frame is."""
    flags = severity
    head = b""
    if logger is not None:
        flags |= _MESSAGE_LOGGER
        head = logger
    if origin is not None:
        flags |= _MESSAGE_ORIGIN
        head += origin
    if env_version is not None:
        flags |= _MESSAGE_ENV_VERSION
        head += env_version
    delta = signed_varint(clamp(timestamp - opened_at))
    body = b"".join((_SMALL[flags], delta, type_name, head, tokens, payload, fields))
    if len(body) > FRAME_BYTES_MAX:
        return None
    return len(body).to_bytes(2, "little") + body


class Key:
    """A signing key: the name that the listener knows it by, and the secret."""

    __slots__ = ("id", "secret")

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.id = key_id
        self.secret = secret


class Datagrams:
    """Writes the datagrams of one sender: its header is made once."""

    __slots__ = ("sender", "_before", "_after", "_key", "_prefix", "body_bytes_max")

    def __init__(
        self, capacity: int, sender: int, pid: int, hostname: str, logger: str, key: Optional[Key] = None
    ) -> None:
        self.sender = sender
        self._key = key
        after = (pid & 0xFFFF_FFFF).to_bytes(4, "little") + name(hostname) + name(logger)
        if key is not None:
            after += name(key.id)
        self._after = after
        self._before = MAGIC + bytes((VERSION, FLAG_SIGNED if key else 0))
        header = len(self._before) + 2 + 32 + len(after)
        #: What stands before the numbers of every datagram with frames.
        self._prefix = self._before + (32 + len(after)).to_bytes(2, "little")
        #: Room for frames in a datagram of this size.
        self.body_bytes_max = capacity - header - (MAC_BYTES if key else 0)

    def datagram(self, sequence: int, opened_at: int, dropped: int, frames: bytes) -> bytes:
        """A datagram with frames."""
        numbers = _NUMBERS(self.sender, sequence & _U64, opened_at & _U64, dropped & _U64)
        return self._signed(b"".join((self._prefix, numbers, self._after, frames)))

    def heartbeat(self, now: int, following: int, dropped: int) -> bytes:
        """Repeats how many datagrams were sent: ``following`` is the sequence of the next one."""
        more = _THREE(self.sender, following & _U64, dropped & _U64)
        header = _NUMBERS(HEARTBEAT_SENDER, 0, now & _U64, 0) + self._after + more
        return self._signed(self._before + len(header).to_bytes(2, "little") + header)

    def _signed(self, unsigned: bytes) -> bytes:
        if self._key is None:
            return unsigned
        return unsigned + hmac.new(self._key.secret, unsigned, hashlib.sha256).digest()
