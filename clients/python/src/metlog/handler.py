"""A handler for the standard library's ``logging``: each record becomes a message.

>>> import logging, metlog.handler
>>> logging.getLogger().addHandler(metlog.handler.Handler())

The logger's name becomes the message's logger, the level its severity, what was passed as ``extra`` its fields.
structlog and loguru end in this handler too: see the README.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Dict, Optional

from . import _values, default
from ._client import Client
from ._stderr import complain

#: Attributes that every record has; all others were passed as ``extra``.
_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_EXCEPTIONS = logging.Formatter()


def severity_of(level: int) -> int:
    """The severity (RFC 5424) of a level of ``logging``."""
    if level >= logging.CRITICAL:
        return 2
    if level >= logging.ERROR:
        return 3
    if level >= logging.WARNING:
        return 4
    return 6 if level >= logging.INFO else 7


class _NoLock:
    """In the place of a handler's lock: some versions of ``logging`` use it without asking whether there is one."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def acquire(self) -> None:
        """Nothing is locked."""

    def release(self) -> None:
        """Nothing was locked."""

    def _at_fork_reinit(self) -> None:
        """Nothing is held."""


class Handler(logging.Handler):
    """Sends records as messages, of type ``log`` unless another one is given.

    It takes no lock while it sends, never raises, and passes over records that are logged while it handles one.
    """

    def __init__(self, client: Optional[Client] = None, type: str = "log", level: int = logging.NOTSET) -> None:  # noqa: A002
        super().__init__(level)
        self._client = default if client is None else client
        self._type = type
        self._inside = threading.local()

    def createLock(self) -> None:  # noqa: N802 - the name is the base class's
        """None is needed, and one could be held while the process forks."""
        self.lock = _NoLock()  # type: ignore[assignment]

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record."""
        if getattr(self._inside, "is_at_it", False):
            return
        self._inside.is_at_it = True
        try:
            self._client.message(
                self._text(record),
                type=self._type,
                logger=record.name,
                severity=severity_of(record.levelno),
                fields=self._fields(record),
                timestamp=record.created,
            )
        except Exception as why:  # noqa: BLE001 - no log line fails its host
            complain(f"a log record cannot be sent: {type(why).__name__}")
        finally:
            self._inside.is_at_it = False

    def _text(self, record: logging.LogRecord) -> str:
        try:
            return record.getMessage() if self.formatter is None else self.format(record)
        except Exception:  # noqa: BLE001 - arguments that do not fit the text
            return str(record.msg)

    def _fields(self, record: logging.LogRecord) -> Dict[str, Any]:
        fields: Dict[str, Any] = {"level": record.levelname, "source": f"{record.pathname}:{record.lineno}"}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception.type"] = record.exc_info[0].__name__
            fields["exception.message"] = _values.as_text(record.exc_info[1])
            fields["exception.stacktrace"] = _EXCEPTIONS.formatException(record.exc_info)[-1_000:]
        for key, value in vars(record).items():
            if key not in _OWN:
                fields[key] = value
        return fields
