"""What all hooks share: replacing methods so that it can be undone, and the span that work belongs to."""

from __future__ import annotations

import functools
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from .. import _spans
from .._spans import Span

Undo = Callable[[], None]
held = _spans.current.get


class Options(NamedTuple):
    """See :func:`metlog.hooks.install`."""

    client: Any
    formats: Tuple[str, ...]
    hash_key: bytes

    @property
    def sender(self) -> Any:
        """The client for spans that lie in none."""
        if self.client is not None:
            return self.client
        import metlog

        return metlog.default


def recording() -> Optional[Span]:
    """The span that work done now belongs to, if it is kept."""
    found = held()
    return found if isinstance(found, Span) and found.is_recording else None


def child(parent: Span, name: str, kind: str = "client") -> Span:
    """A span in another one, sent by the same client. Not begun."""
    return Span(parent._client, name, kind)


def failed(span: Span, error: BaseException) -> Span:
    """Notes that a span failed, and by which kind of exception: texts of these libraries hold addresses and values."""
    kind = type(error)
    span.event("exception", {"exception.type": f"{kind.__module__}.{kind.__qualname__}"})
    return span.status("error", kind.__name__)


def wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> List[Undo]:
    """Replaces a method of a class by what ``make`` makes of it. None if there is no such method."""
    original = vars(owner).get(name)
    if original is None:
        return []
    replaced = functools.wraps(original)(make(original))
    setattr(owner, name, replaced)

    def undo() -> None:
        # Another library may have put itself in front of us since; it goes on with ours, which must stay then.
        if vars(owner).get(name) is replaced:
            setattr(owner, name, original)

    return [undo]
