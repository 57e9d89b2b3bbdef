"""Threads, locks and sleeping of the operating system, also where gevent or eventlet have replaced the names.

The sending thread must run while a handler computes; a green thread would wait until the handler pauses.
"""

from __future__ import annotations

import signal
import sys
from typing import Any


def original(module: str, name: str) -> Any:
    """``module.name`` as the standard library has it."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched(module):
        return gevent.get_original(module, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched(_EVENTLET.get(module, module)):
        return getattr(eventlet.original(module), name)
    return getattr(__import__(module), name)


#: What eventlet calls the groups of modules that it patches.
_EVENTLET = {"_thread": "thread", "threading": "thread"}


def block_signals() -> None:
    """To be called first in a thread of ours: signals are for the application's threads. uWSGI, for one, ends a worker
    in the thread that a signal arrives in, which must not be one that it does not know."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        return
    faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
    mask(signal.SIG_BLOCK, set(signal.valid_signals()) - faults)


def forks_later() -> bool:
    """True in uWSGI's master, which forks its workers in C: a worker that is forked while a thread of ours holds the
    interpreter's lock never gets it. There is no thread there; the caller sends."""
    uwsgi = sys.modules.get("uwsgi")
    try:
        return uwsgi is not None and uwsgi.worker_id() == 0
    except Exception:  # noqa: BLE001 - another module of that name
        return False
