"""Filters: each provider makes a function that is given a message and says whether it is sent."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping

Filter = Callable[[Mapping[str, Any]], bool]


def _named(function: Filter, name: str) -> Filter:
    function.__name__ = name
    function.func_name = name  # type: ignore[attr-defined]
    return function


def severity_max_provider(severity: int) -> Filter:
    """Keeps back what is less urgent than this."""
    return _named(lambda message: message["severity"] <= severity, "severity_max")


def type_blacklist_provider(types: Iterable[str]) -> Filter:
    """Keeps back these types."""
    refused = frozenset(types)
    return _named(lambda message: message["type"] not in refused, "type_blacklist")


def type_whitelist_provider(types: Iterable[str]) -> Filter:
    """Keeps back all other types."""
    taken = frozenset(types)
    return _named(lambda message: message["type"] in taken, "type_whitelist")


def type_severity_max_provider(types: Mapping[str, Mapping[str, int]]) -> Filter:
    """Keeps back what is less urgent, by type: ``{"login": {"severity": 4}}``."""
    most = {name: rule["severity"] for name, rule in types.items()}
    return _named(lambda message: message["severity"] <= most.get(message["type"], 7), "type_severity_max")
