"""The part of ``DogStatsd`` about sockets of the caller's own, and about settings that have nothing left to do."""

from __future__ import annotations

import socket
import struct
from typing import Any, List, Optional


def default_route() -> str:
    """The address of the system's default route.

    Raises:
        NotImplementedError: where there is no ``/proc``.
        ValueError: where there is no such route.
    """
    try:
        with open("/proc/net/route") as file:
            for line in file.readlines():
                fields = line.strip().split()
                if len(fields) > 2 and fields[1] == "00000000":
                    return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    except OSError:
        raise NotImplementedError("`use_default_route` needs /proc/net/route") from None
    raise ValueError("there is no default route")


class Direct:
    """Writes to the socket that was assigned as ``socket``, in blocks while a buffer is open."""

    encoding = "utf-8"
    host: Optional[str] = None
    port: Optional[int] = None
    socket_path: Optional[str] = None
    _socket: Any = None
    telemetry_socket: Any = None

    def __init__(self, max_buffer_len: int, disable_buffering: bool, socket_timeout: Optional[float]) -> None:
        self._max_buffer_len = max_buffer_len
        self.disable_buffering = disable_buffering
        self.socket_timeout = socket_timeout
        self._open_buffers = 0
        self._buffer: "List[str]" = []

    @property
    def socket(self) -> Any:
        """``None``, or the socket that was assigned or got."""
        return self._socket

    @socket.setter
    def socket(self, given: Any) -> None:
        self._socket = given

    def get_socket(self, telemetry: bool = False) -> Any:
        """A connected socket, which all calls write to from now on."""
        if self._socket is None:
            self._socket = self._connected()
        return self._socket

    def _connected(self) -> Any:
        if self.socket_path is not None:
            kind = socket.SOCK_STREAM if self.socket_path.startswith("unixstream://") else socket.SOCK_DGRAM
            family, address = socket.AF_UNIX, self.socket_path.split("://", 1)[-1]
        else:
            found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_DGRAM)
            found.sort(key=lambda one: one[0] != socket.AF_INET)
            family, kind, address = found[0][0], socket.SOCK_DGRAM, found[0][4]  # type: ignore[assignment]
        opened = socket.socket(family, kind)
        opened.settimeout(self.socket_timeout)
        opened.connect(address)
        return opened

    def close_socket(self, quiet: bool = False) -> None:
        """Closes the caller's own socket, if there is one; the queue's is not touched."""
        given, self._socket = self._socket, None
        if given is not None:
            try:
                given.close()
            except OSError:
                pass

    def set_socket_timeout(self, timeout: Optional[float]) -> None:
        """Of the caller's own socket. Nothing else ever waits."""
        self.socket_timeout = timeout
        if self._socket is not None:
            self._socket.settimeout(timeout)

    def _send_to_server(self, line: str) -> bool:
        if self.disable_buffering and not self._open_buffers:
            return self._write_out(line + "\n")
        size = sum(len(one) + 1 for one in self._buffer)
        done = True
        if self._buffer and size + len(line) + 1 > self._max_payload_size:
            done = self._flush_direct()
        self._buffer.append(line)
        return done

    @property
    def _max_payload_size(self) -> int:
        is_unix = getattr(self._socket, "family", None) == socket.AF_UNIX
        return self._max_buffer_len or (8192 if is_unix else 1432)

    def _flush_direct(self) -> bool:
        lines, self._buffer = self._buffer, []
        return self._write_out("\n".join(lines) + "\n") if lines else True

    def _write_out(self, lines: str) -> bool:
        block = lines.encode(self.encoding)
        try:
            kind = getattr(self._socket, "getsockopt", lambda *_: None)(socket.SOL_SOCKET, socket.SO_TYPE)
            if kind == socket.SOCK_STREAM:
                self._socket.sendall(struct.pack("<I", len(block)))
                self._socket.sendall(block)
            else:
                self._socket.send(block)
        except OSError:
            return False
        return True

    # Buffering and aggregation: the queue is a buffer, and a listener aggregates.

    def __enter__(self) -> Any:
        self.open_buffer()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_buffer()

    def open_buffer(self, max_buffer_size: Optional[int] = None) -> None:
        """Values that follow share datagrams, as they do anyway."""
        self._open_buffers += 1

    def close_buffer(self) -> None:
        """Ends what :meth:`open_buffer` began. What waits is sent within 20 ms."""
        self._open_buffers = max(0, self._open_buffers - 1)
        if self._socket is not None:
            self._flush_direct()

    def disable_aggregation(self) -> None:
        """There is none."""

    def enable_aggregation(self, flush_interval: float = 0.3, max_samples_per_context: int = 0) -> None:
        """No effect: a listener aggregates."""

    def flush_aggregated_metrics(self) -> bool:
        """There are none."""
        return True

    def enable_telemetry(self) -> None:
        """No effect: ``metlog.stats()`` counts."""

    def disable_telemetry(self) -> None:
        """No effect."""

    def enable_background_sender(self, *_: Any, **__: Any) -> None:
        """No effect: there always is one."""

    def disable_background_sender(self, timeout: Optional[float] = None) -> bool:
        """No effect."""
        return True

    def pre_fork(self) -> None:
        """Nothing is to be done: whichever way a process forks, its child has a queue of its own."""

    def post_fork_parent(self) -> None:
        """Likewise."""

    def post_fork_child(self) -> None:
        """Likewise."""
