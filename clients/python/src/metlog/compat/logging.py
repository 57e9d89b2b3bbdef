"""Records of ``logging`` as messages of type ``oldstyle``."""

from __future__ import annotations

import logging as _logging
from typing import Any

from ..handler import severity_of


class MetlogHandler(_logging.Handler):
    """Hands records to a client."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self.client = client

    def emit(self, record: _logging.LogRecord) -> None:
        """Sends one record."""
        self.client.metlog(
            "oldstyle", logger=record.name, severity=severity_of(record.levelno), payload=self.format(record)
        )


def hook_logger(name: str, client: Any) -> None:
    """Sends what is logged under a name, from ``INFO`` on, and nowhere else."""
    logger = _logging.getLogger(name)
    logger.handlers = [MetlogHandler(client)]
    logger.propagate = False
    if logger.level == _logging.NOTSET:
        logger.setLevel(_logging.INFO)
