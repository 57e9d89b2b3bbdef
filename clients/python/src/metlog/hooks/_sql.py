"""Statements of SQLAlchemy, by its events: text, never parameters."""

from __future__ import annotations

from typing import Any, List, Optional

from .._spans import Span
from ._patch import Options, Undo, child, failed, recording

#: Longer statements are cut, in characters.
STATEMENT_MAX = 2_000
_WORDS = frozenset(
    ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP", "PRAGMA", "SHOW", "CALL", "EXPLAIN",
     "TRUNCATE", "MERGE", "SET", "REPLACE", "GRANT", "REVOKE", "LOCK", "VALUES")
)  # fmt: skip
#: Where an execution keeps its span.
_KEY = "_metlog_span"


def _before(conn: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, many: bool) -> None:
    parent = recording()
    if parent is None or context is None:
        return
    word = statement.lstrip("( \n\t\r")[:12].partition(" ")[0].rstrip().upper()
    span = child(parent, word if word in _WORDS else "SQL")
    # Not the current one: what runs meanwhile is none of its work.
    span.start(parent.context)
    url = conn.engine.url
    span.set("db.system.name", conn.dialect.name).set("db.query.text", statement[:STATEMENT_MAX])
    if url.database:
        span.set("db.namespace", url.database)
    if url.host:
        span.set("server.address", url.host)
    if url.port:
        span.set("server.port", url.port)
    if many:
        span.set("db.operation.batch", True)
    setattr(context, _KEY, span)


def _taken(context: Any) -> Optional[Span]:
    """The open span of this execution."""
    span: Optional[Span] = getattr(context, _KEY, None)
    if span is not None:
        delattr(context, _KEY)
    return span


def _after(_conn: Any, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    if not hasattr(context, _KEY):
        return
    span = _taken(context)
    if span is not None:
        rows = getattr(cursor, "rowcount", -1)
        if isinstance(rows, int) and rows >= 0:
            span.set("db.response.affected_rows", rows)
        span.end()


def _failed(failure: Any) -> None:
    span = _taken(failure.execution_context)
    if span is not None:
        # Databases quote values in their messages.
        failed(span, failure.original_exception).end()


def sqlalchemy_library(_options: Options) -> List[Undo]:
    """Listens to all engines, those that exist and those to come."""
    import sqlalchemy.event
    from sqlalchemy.engine import Engine

    listeners = (("before_cursor_execute", _before), ("after_cursor_execute", _after), ("handle_error", _failed))
    for name, listener in listeners:
        sqlalchemy.event.listen(Engine, name, listener)

    def undo() -> None:
        for name, listener in listeners:
            sqlalchemy.event.remove(Engine, name, listener)

    return [undo]
