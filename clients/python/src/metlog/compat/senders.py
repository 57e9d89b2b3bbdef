"""Where messages go: metlog's own client, Metlog JSON by UDP as metlog-py sent it, and places for tests."""

from __future__ import annotations

import itertools
import json
import logging as _logging
import socket
import sys
from collections import deque
from typing import Any, Callable, Iterable, List, Mapping, Optional, Tuple

from .. import _client


class NoSendSender:
    """In the place of a sender that was not configured."""

    def send_message(self, message: Any) -> None:
        """Fails, which the client says on stderr."""
        raise NotImplementedError("no sender is configured")


class MetlogSender:
    """Sends through metlog's own client: queued, numbered, with every loss counted.

    Keywords are those of ``metlog.init``. Counters and timers become statsd values, all else messages."""

    def __init__(self, **config: Any) -> None:
        self.client = _client.Client(**(config or {"statsd": True}))

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Queues a message."""
        fields = message.get("fields") or {}
        kind, name = message["type"], fields.get("name")
        if kind == "counter" and name is not None:
            self.client.count(_name(message, name), float(message["payload"]), float(fields.get("rate", 1.0)))
        elif kind == "timer" and name is not None:
            self.client.timing(_name(message, name), float(message["payload"]), float(fields.get("rate", 1.0)))
        else:
            self.client.message(
                message.get("payload", ""),
                type=kind,
                logger=message.get("logger"),
                severity=message.get("severity"),
                fields=fields,
            )


def _name(message: Mapping[str, Any], name: str) -> str:
    logger = message.get("logger")
    return f"{logger}.{name}" if logger else name


class UdpSender:
    """Metlog JSON, one message a datagram, to every destination.

    Hosts and ports are paired; the last port serves all hosts that are left. A socket that is full loses the message,
    as the network might."""

    def __init__(self, host: Any, port: Any) -> None:
        hosts = [host] if isinstance(host, str) else list(host)
        ports = [port] if isinstance(port, (int, str)) else list(port)
        pairs = itertools.zip_longest(hosts, ports[: len(hosts)], fillvalue=ports[-1])
        self._destinations: List[Tuple[str, int]] = [(str(one), int(number)) for one, number in pairs]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def send_message(self, message: Any) -> None:
        """Sends a message."""
        datagram = json.dumps(message, default=_as_text).encode()
        for destination in self._destinations:
            self.socket.sendto(datagram, destination)


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class StreamSender:
    """Writes messages to a stream, by a formatter, an indented JSON unless another one is given."""

    def __init__(self, stream: Any, formatter: Any = None) -> None:
        self.stream = stream
        self.formatter: Callable[[Any], str] = _resolved(formatter) if formatter else _indented

    def send_message(self, message: Any) -> None:
        """Writes a message, and a line feed."""
        self.stream.write(self.formatter(message) + "\n")
        self.stream.flush()


def _indented(message: Any) -> str:
    return json.dumps(message, indent=4, default=_as_text)


def _resolved(what: Any) -> Any:
    if not isinstance(what, str):
        return what
    from .config import resolve

    return resolve(what)


class StdOutSender(StreamSender):
    """To standard output."""

    def __init__(self, formatter: Any = None) -> None:
        super().__init__(sys.stdout, formatter)


class FileSender(StreamSender):
    """To the end of a file."""

    def __init__(self, filepath: str, formatter: Any = None) -> None:
        super().__init__(open(filepath, "a", encoding="utf-8"), formatter)  # noqa: SIM115 - it stays open


class DebugCaptureSender:
    """Keeps the last hundred messages, as JSON."""

    def __init__(self, **_: Any) -> None:
        self.msgs: "deque[str]" = deque(maxlen=100)

    def send_message(self, message: Any) -> None:
        """Keeps a message."""
        self.msgs.append(json.dumps(message, default=_as_text))


class StdLibLoggingSender:
    """To ``logging``: messages of some types as their payload, of others whole, as JSON; ``*`` is all types."""

    def __init__(
        self,
        logger_name: Optional[str] = None,
        payload_types: Optional[Iterable[str]] = None,
        json_types: Optional[Iterable[str]] = None,
    ) -> None:
        self.logger = _logging.getLogger(logger_name)
        self._payload_types = {"oldstyle"} if payload_types is None else set(payload_types)
        self._json_types = {"*"} if json_types is None else set(json_types)

    def send_message(self, message: Mapping[str, Any]) -> None:
        """Logs a message."""
        kind = message["type"]
        level = _LEVELS.get(message["severity"], _logging.INFO)
        if kind in self._payload_types or "*" in self._payload_types:
            self.logger.log(level, message["payload"])
        elif kind in self._json_types or "*" in self._json_types:
            self.logger.log(level, json.dumps(message, default=_as_text))


_LEVELS = {
    0: _logging.CRITICAL,
    1: _logging.CRITICAL,
    2: _logging.CRITICAL,
    3: _logging.ERROR,
    4: _logging.WARNING,
    5: _logging.INFO,
    6: _logging.INFO,
    7: _logging.DEBUG,
}
