"""Telling an operator what went wrong, where there is nobody else to tell."""

from __future__ import annotations

import sys
import time

_complained_at = 0.0


def complain(what: str) -> None:
    """Tells an operator, on stderr, at most once a minute. Never by ``logging``: our own handler would send it."""
    global _complained_at
    now = time.monotonic()
    if _complained_at == 0.0 or now - _complained_at > 60.0:
        _complained_at = now
        try:
            sys.stderr.write(f"metlog: {what}\n")
        except (OSError, ValueError, AttributeError):
            pass  # no stderr: nobody to tell
