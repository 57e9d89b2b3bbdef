"""Whose memory this is: what belongs to one process is told from its copy in a child, whichever way that was forked.

Asking the system for the process's number costs more than all else that a call does. Instead each owner has a page that
Linux empties in a child (``MADV_WIPEONFORK``), by ``os.fork``, in C as uWSGI does, or by any other copy of the memory.
"""

from __future__ import annotations

import os
import random
import sys
from typing import Any

try:
    import mmap
except ImportError:  # a Python without it
    mmap = None  # type: ignore[assignment]

_getpid = os.getpid
#: ``MADV_WIPEONFORK`` of Linux, which the module does not name.
_WIPE_ON_FORK = 18


class Asked:
    """In the place of such a page where the system has none: asks for the process's number."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = _getpid()

    def __getitem__(self, _at: int) -> int:
        return 1 if self._pid == _getpid() else 0


def mark() -> Any:
    """Something whose item 0 is 1 in this process, and 0 in each of its children."""
    try:
        if sys.platform != "linux" or mmap is None:
            return Asked()
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # An older kernel refuses it.
        page.madvise(_WIPE_ON_FORK)
    except (AttributeError, OSError, ValueError):
        return Asked()
    page[0] = 1
    return page


class Ids:
    """Random numbers that no two processes share. Applications that seed ``random`` do not seed these."""

    __slots__ = ("_bits", "_mine")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits
        self._mine = mark()

    def bits(self, count: int) -> int:
        """A number of so many bits, never 0."""
        if not self._mine[0]:
            self._begin()
        return self._bits(count) or 1
