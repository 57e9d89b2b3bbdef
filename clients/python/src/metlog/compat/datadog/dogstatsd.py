"""``DogStatsd`` of PyPI's ``datadog``, on metlog's queue. ``datadog.dogstatsd`` and ``datadog.dogstatsd.base`` had it.

Calls append to the queue, and metlog's thread writes and packs the lines; buffering and aggregation have nothing
left to do. A socket that is assigned as ``socket``, as tests of applications do, is written to at once, by the caller.
"""

from __future__ import annotations

import os
import random
import urllib.parse
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ..._client import Client
from ..._outlet import Destination
from .. import _shared
from ._direct import Direct, default_route
from ._form import CARDINALITIES, Form, Tags
from ._timed import Distributed, Timed

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8125
DEFAULT_BUFFERING_FLUSH_INTERVAL = 0.3
UDP_OPTIMAL_PAYLOAD_LENGTH = 1432
UDS_OPTIMAL_PAYLOAD_LENGTH = 8192
_EVENT_CHARACTERS_MAX = 8 * 1024
_ENV_TAGS = (
    ("DD_ENTITY_ID", "dd.internal.entity_id"),
    ("DD_ENV", "env"),
    ("DD_SERVICE", "service"),
    ("DD_VERSION", "version"),
)
_SCHEMES = {"unix://": "either", "unixgram://": None, "unixstream://": "lengths"}
_TRUE = ("True", "true", "yes", "1")


class DogStatsd(Direct):
    """Sends values, events and service checks with tags."""

    OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
    CARDINALITY_NONE, CARDINALITY_LOW = "none", "low"
    CARDINALITY_ORCHESTRATOR, CARDINALITY_HIGH = "orchestrator", "high"
    _metlog: Optional[Client] = None
    _write: Any = None

    def __init__(
        self,
        host: Optional[str] = None,
        port: Optional[int] = None,
        max_buffer_size: Optional[int] = None,
        flush_interval: float = DEFAULT_BUFFERING_FLUSH_INTERVAL,
        disable_aggregation: bool = True,
        disable_buffering: bool = True,
        namespace: Optional[str] = None,
        constant_tags: Optional[List[str]] = None,
        use_ms: bool = False,
        use_default_route: bool = False,
        socket_path: Optional[str] = None,
        default_sample_rate: float = 1,
        disable_telemetry: bool = False,
        *_: Any,
        max_buffer_len: int = 0,
        container_id: Optional[str] = None,
        cardinality: Optional[str] = None,
        socket_timeout: Optional[float] = 0,
        **ignored: Any,
    ) -> None:
        """The original's arguments. Those about telemetry, buffering, aggregation, its own sender thread and detection
        of containers have no effect. Nothing is looked up and nothing is opened here."""
        super().__init__(max_buffer_len, disable_buffering, socket_timeout)
        host, port, socket_path = _by_environment(host, port, socket_path)
        self._enabled = os.environ.get("DD_DOGSTATSD_DISABLE") not in _TRUE
        self.socket_path = socket_path
        self.host = None if socket_path is not None else self.resolve_host(host or DEFAULT_HOST, use_default_route)
        self.port = None if socket_path is not None else int(DEFAULT_PORT if port is None else port)
        tags = [tag for tag in os.environ.get("DATADOG_TAGS", "").split(",") if tag]
        tags += [f"{tag}:{os.environ[key]}" for key, tag in _ENV_TAGS if os.environ.get(key)]
        self.constant_tags = [*(constant_tags or ()), *tags]
        self.namespace = None if namespace is None else str(namespace)
        self.use_ms = use_ms
        self.default_sample_rate = default_sample_rate
        self.cardinality = cardinality
        self._container_id = container_id
        self._external_data = os.environ.get("DD_EXTERNAL_ENV")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "constant_tags":
            value = Tags(value or (), self._changed)
        super().__setattr__(name, value)
        if name in ("host", "port", "socket_path"):
            super().__setattr__("_metlog", None)
        elif name in ("constant_tags", "namespace", "_container_id", "_external_data"):
            self._changed()

    def _changed(self) -> None:
        super().__setattr__("_write", None)

    @property
    def metlog(self) -> Client:
        """The client of metlog behind this one: its ``stats()`` counts."""
        if self._metlog is None:
            size = UDP_OPTIMAL_PAYLOAD_LENGTH if self.socket_path is None else UDS_OPTIMAL_PAYLOAD_LENGTH
            self._metlog = _shared.client(self._destination(), self._max_buffer_len or size)
        return self._metlog

    @metlog.setter
    def metlog(self, client: Client) -> None:
        self._metlog = client

    def _destination(self) -> Destination:
        path = self.socket_path
        if path is None:
            return _shared.address(self.host, self.port or DEFAULT_PORT)
        for scheme, framing in _SCHEMES.items():
            if path.startswith(scheme):
                return Destination(f"unix:{path[len(scheme) :]}", framing)
        return Destination(f"unix:{path}", "either")

    @staticmethod
    def resolve_host(host: Optional[str], use_default_route: bool) -> Optional[str]:
        """The host, or that of the system's default route."""
        return default_route() if use_default_route else host

    # Values.

    def gauge(
        self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """Sets a gauge."""
        self._report(metric, "g", value, tags, sample_rate, cardinality=cardinality)

    def gauge_with_timestamp(
        self,
        metric: Any,
        value: Any,
        timestamp: int,
        tags: Any = None,
        sample_rate: Any = None,
        cardinality: Any = None,
    ) -> None:
        """Sets a gauge at a time, in seconds since 1970."""
        self._report(metric, "g", value, tags, sample_rate, timestamp, cardinality=cardinality)

    def count(
        self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """Counts something, so many times."""
        self._report(metric, "c", value, tags, sample_rate, cardinality=cardinality)

    def count_with_timestamp(
        self,
        metric: Any,
        value: Any,
        timestamp: int = 0,
        tags: Any = None,
        sample_rate: Any = None,
        cardinality: Any = None,
    ) -> None:
        """Counts something at a time, in seconds since 1970."""
        self._report(metric, "c", value, tags, sample_rate, timestamp, cardinality=cardinality)

    def increment(
        self, metric: Any, value: Any = 1, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """Counts something."""
        self._report(metric, "c", value, tags, sample_rate, cardinality=cardinality)

    def decrement(
        self, metric: Any, value: Any = 1, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """Counts down."""
        self._report(metric, "c", -value if value else value, tags, sample_rate, cardinality=cardinality)

    def histogram(
        self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """A value whose distribution matters."""
        self._report(metric, "h", value, tags, sample_rate, cardinality=cardinality)

    def distribution(
        self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """A value whose distribution over all hosts matters."""
        self._report(metric, "d", value, tags, sample_rate, cardinality=cardinality)

    def timing(
        self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None
    ) -> None:
        """A time."""
        self._report(metric, "ms", value, tags, sample_rate, cardinality=cardinality)

    def set(self, metric: Any, value: Any, tags: Any = None, sample_rate: Any = None, cardinality: Any = None) -> None:
        """A member of a set."""
        self._report(metric, "s", value, tags, sample_rate, cardinality=cardinality)

    def timed(
        self, metric: Any = None, tags: Any = None, sample_rate: Any = None, use_ms: Optional[bool] = None
    ) -> Timed:
        """Times a block, or every call of a function or coroutine, which names the metric where nothing else does."""
        return Timed(self, metric, tags, sample_rate, use_ms)

    def distributed(
        self, metric: Any = None, tags: Any = None, sample_rate: Any = None, use_ms: Optional[bool] = None
    ) -> Distributed:
        """Likewise, as a distribution."""
        return Distributed(self, metric, tags, sample_rate, use_ms)

    def _report(
        self,
        metric: Any,
        metric_type: str,
        value: Any,
        tags: Optional[Iterable[str]],
        sample_rate: Any,
        timestamp: Any = 0,
        sampling: bool = True,
        cardinality: Optional[str] = None,
    ) -> bool:
        if value is None or not self._enabled:
            return True
        rate = self.default_sample_rate if sample_rate is None else sample_rate
        if rate != 1 and sampling and random.random() > rate:
            return True
        if timestamp and (timestamp < 0 or metric_type not in ("g", "c")):
            timestamp = 0
        if cardinality is None:
            cardinality = self.cardinality
        if cardinality is not None and cardinality not in CARDINALITIES:
            cardinality = None
        said = (metric_type, value, tuple(tags) if tags else None, rate, timestamp, cardinality)
        return self._line(self._write or self._form().write, metric, said)

    # Events and service checks.

    def event(
        self,
        title: str,
        message: str,
        alert_type: Optional[str] = None,
        aggregation_key: Optional[str] = None,
        source_type_name: Optional[str] = None,
        date_happened: Optional[int] = None,
        priority: Optional[str] = None,
        tags: Optional[Iterable[str]] = None,
        hostname: Optional[str] = None,
        cardinality: Optional[str] = None,
    ) -> None:
        """Sends an event.

        Raises:
            ValueError: if it is longer than 8 KiB, as ever.
        """
        fields: "Dict[str, Any]" = {
            "d": date_happened, "h": hostname, "k": aggregation_key, "p": priority, "s": source_type_name,
            "t": alert_type,
        }  # fmt: skip
        if (
            len(title) + len(message) + sum(len(str(one)) for one in fields.values() if one)
            > _EVENT_CHARACTERS_MAX - 32
        ):
            raise ValueError(f'Event "{title[:80]}" payload is too big (>=8KB). Event discarded')
        more = (message, fields, tuple(tags) if tags else None, self._cardinality(cardinality))
        if self._enabled:
            self._line(self._form().event, title, more)

    def service_check(
        self,
        check_name: str,
        status: Any,
        tags: Optional[Iterable[str]] = None,
        timestamp: Optional[int] = None,
        cardinality: Optional[str] = None,
        hostname: Optional[str] = None,
        message: Optional[str] = None,
    ) -> None:
        """Sends a service check."""
        fields: "Dict[str, Any]" = {"d": timestamp, "h": hostname}
        more = (status, fields, tuple(tags) if tags else None, self._cardinality(cardinality), message or "")
        if self._enabled:
            self._line(self._form().check, check_name, more)

    def _form(self) -> Form:
        write = self._write
        if write is None:
            form = Form(self.namespace, self.constant_tags, self._container_id, self._external_data)
            # Bound once: a bound method is a new object each time.
            write = form.write
            super().__setattr__("_write", write)
        found: Form = write.__self__
        return found

    def _cardinality(self, given: Optional[str]) -> Optional[str]:
        found = self.cardinality if given is None else given
        return found if found in CARDINALITIES else None

    def _line(self, write: Any, name: Any, said: "Tuple[Any, ...]") -> bool:
        if self._socket is not None:
            return self._send_to_server(write("", name, said).decode())
        # As `Client.line` does, without another call.
        client = self._metlog or self.metlog
        pipe = client._pipe
        values = pipe.values
        if len(values) < pipe.values_limit and pipe.mine[0] and not pipe.is_inline:
            values.append((write, name, said, None))
            if pipe.asleep:
                pipe.wake()
        else:
            client.line(write, name, said)
        return True

    # What there is besides.

    def flush(self) -> bool:
        """Sends what waits, within a second."""
        if self._socket is not None:
            return self._flush_direct()
        return self._metlog is None or self._metlog.flush()

    flush_buffered_metrics = flush

    def wait_for_pending(self, timeout: Optional[float] = None) -> bool:
        """Sends what waits. ``None``: within a minute."""
        return self._metlog is None or self._metlog.flush(60.0 if timeout is None else timeout)

    def stop(self, timeout: Optional[float] = None) -> bool:
        """Sends what waits; the client may be used on."""
        done = self.flush() and self.wait_for_pending(timeout)
        self.close_socket()
        return done


def _by_environment(
    host: Optional[str], port: Optional[int], socket_path: Optional[str]
) -> "Tuple[Optional[str], Optional[int], Optional[str]]":
    """Arguments come first, then ``DD_DOGSTATSD_URL``, then ``DD_AGENT_HOST`` and ``DD_DOGSTATSD_PORT``."""
    url = os.environ.get("DD_DOGSTATSD_URL")
    if host is None and port is None and socket_path is None and url:
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme in ("unix", "unixgram", "unixstream"):
            return None, None, url
        if parsed.scheme == "udp":
            try:
                return parsed.hostname, parsed.port or DEFAULT_PORT, None
            except ValueError:
                return parsed.hostname, DEFAULT_PORT, None
    given = os.environ.get("DD_DOGSTATSD_PORT", "")
    if port is None and given.isdigit():
        port = int(given)
    return host or os.environ.get("DD_AGENT_HOST") or None, port, socket_path


#: The client that ``initialize`` sets up.
statsd = DogStatsd()
