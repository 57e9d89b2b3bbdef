"""``MetlogClient``: messages, counters and timers in metlog-py's form."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import random
import socket
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from .filters import Filter
from .senders import NoSendSender


class SEVERITY:
    """Syslog's severities (RFC 5424)."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7


class _NoOpTimer:
    """In the place of a timer that is disabled."""

    result: Optional[int] = None

    def __enter__(self) -> "_NoOpTimer":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


class _Timer:
    """Times a block, or each call of a function. What is set on it belongs to the thread that sets it."""

    def __init__(self, client: Any, name: str, msg_data: Mapping[str, Any], rate: float = 1.0) -> None:
        vars(self).update(_local=threading.local(), _client=client, _name=name, _data=dict(msg_data), _rate=rate)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(vars(self)["_local"], name)
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._local, name, value)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function):
            raise ValueError("a timer decorates functions")

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with _Timer(self._client, self._name, self._data, self._rate):
                return function(*args, **kwargs)

        return timed

    def __enter__(self) -> "_Timer":
        self.began: float = time.monotonic()
        self.result = None  # of this thread: see __setattr__
        return self

    def __exit__(self, *_: object) -> None:
        elapsed = int(round((time.monotonic() - self.began) * 1_000))
        self.result = elapsed  # type: ignore[assignment]
        if self._rate >= 1.0 or random.random() < self._rate:
            self._client.timer_send(self._name, elapsed, rate=self._rate, **self._data)


class MetlogClient:
    """Makes messages and hands them to a sender, an object with ``send_message(message)``."""

    env_version = "0.8"

    def __init__(
        self,
        sender: Any = None,
        logger: str = "",
        severity: int = SEVERITY.INFORMATIONAL,
        disabled_timers: Optional[Iterable[str]] = None,
        filters: Optional[Iterable[Filter]] = None,
    ) -> None:
        self._methods: "set[str]" = set()
        self._config: Optional[str] = None
        self.setup(sender, logger, severity, disabled_timers, filters)

    def setup(
        self,
        sender: Any = None,
        logger: str = "",
        severity: int = SEVERITY.INFORMATIONAL,
        disabled_timers: Optional[Iterable[str]] = None,
        filters: Optional[Iterable[Filter]] = None,
    ) -> None:
        """Sets the client up anew; methods of plug-ins go."""
        self.sender = NoSendSender() if sender is None else sender
        self.logger = logger
        self.severity = severity
        if isinstance(disabled_timers, str):
            disabled_timers = [disabled_timers]
        self._disabled_timers = set(disabled_timers or ())
        self.filters: List[Filter] = list(filters or ())
        for name in self._methods:
            self.__dict__.pop(name, None)
        self._methods = set()

    @property
    def is_active(self) -> bool:
        """False while there is no sender."""
        return not isinstance(self.sender, NoSendSender)

    def add_method(self, method: Callable[..., Any], override: Any = False) -> None:
        """Adds a plug-in's function, under its ``metlog_name``.

        Raises:
            SyntaxError: if there is one of that name, and ``override`` does not say that it goes.
        """
        name = method.metlog_name  # type: ignore[attr-defined]
        if isinstance(override, str):
            name, override = override, True
        if hasattr(self, name) and not override:
            raise SyntaxError(f"the name `{name}` is already in use; say `override` to replace it")
        self.__dict__[name] = method.__get__(self)
        self._methods.add(name)

    def send_message(self, message: Any) -> None:
        """Hands a message over. What fails is said on stderr, and is no error of the caller's."""
        try:
            self.sender.send_message(message)
        except Exception as error:  # noqa: BLE001 - no call fails its host
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"Error sending message ({error!r}): [{message}]\n")

    def metlog(
        self,
        type: str,  # noqa: A002 - the word of the format
        logger: Optional[str] = None,
        severity: Optional[int] = None,
        payload: Any = "",
        fields: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Makes a message and sends it, unless a filter keeps it back."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        message: Dict[str, Any] = {
            "type": type,
            "timestamp": now.isoformat(timespec="microseconds") + "Z",
            "logger": self.logger if logger is None else logger,
            "severity": self.severity if severity is None else severity,
            "payload": payload,
            "fields": dict(fields or {}),
            "env_version": self.env_version,
            "metlog_pid": os.getpid(),
            "metlog_hostname": socket.gethostname(),
        }
        if all(passes(message) for passes in self.filters):
            self.send_message(message)

    def timer(
        self,
        name: str,
        logger: Optional[str] = None,
        severity: Optional[int] = None,
        fields: Optional[Mapping[str, Any]] = None,
        rate: float = 1.0,
    ) -> Any:
        """A context manager and a decorator; its ``result`` is in whole milliseconds."""
        if "*" in self._disabled_timers or name in self._disabled_timers:
            return _NoOpTimer()
        return _Timer(self, name, {"logger": logger, "severity": severity, "fields": fields}, rate)

    def timer_send(
        self,
        name: str,
        elapsed: int,
        logger: Optional[str] = None,
        severity: Optional[int] = None,
        fields: Optional[Mapping[str, Any]] = None,
        rate: float = 1.0,
    ) -> None:
        """Sends a time that was taken; it is not sampled here, ``rate`` says how it was."""
        self.metlog("timer", logger, severity, str(elapsed), {**(fields or {}), "name": name, "rate": rate})

    def incr(
        self,
        name: str,
        count: int = 1,
        logger: Optional[str] = None,
        severity: Optional[int] = None,
        fields: Optional[Mapping[str, Any]] = None,
        rate: float = 1.0,
    ) -> None:
        """Counts something."""
        if rate >= 1.0 or random.random() < rate:
            self.metlog("counter", logger, severity, str(count), {**(fields or {}), "name": name, "rate": rate})

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s."""
        self._oldstyle(SEVERITY.DEBUG, msg, args, **kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s."""
        self._oldstyle(SEVERITY.INFORMATIONAL, msg, args, **kwargs)

    def warn(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s."""
        self._oldstyle(SEVERITY.WARNING, msg, args, **kwargs)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s."""
        self._oldstyle(SEVERITY.ERROR, msg, args, **kwargs)

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s."""
        self._oldstyle(SEVERITY.CRITICAL, msg, args, **kwargs)

    def exception(self, msg: str, exc_info: Any = True, *args: Any, **kwargs: Any) -> None:
        """As ``logging``'s; an alert, as in metlog-py."""
        self._oldstyle(SEVERITY.ALERT, msg, args, exc_info=exc_info, **kwargs)

    def _oldstyle(self, severity: int, msg: str, args: "tuple[Any, ...]", exc_info: Any = False, **kwargs: Any) -> None:
        if args:
            msg = msg % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args)
        if exc_info:
            if not isinstance(exc_info, tuple):
                exc_info = sys.exc_info()
            msg = f"{msg}\n{''.join(traceback.format_exception(*exc_info))}"
        self.metlog("oldstyle", severity=severity, payload=msg, **kwargs)


def dumps(message: Any) -> str:
    """A message as JSON, also with what JSON cannot say."""
    return json.dumps(message, default=str)
