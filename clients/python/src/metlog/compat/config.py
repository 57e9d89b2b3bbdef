"""Clients from text in INI form and from mappings."""

from __future__ import annotations

import configparser
import importlib
import json
import os
import re
from typing import Any, Dict, Iterable, Optional, TextIO, Tuple

from .client import MetlogClient
from .exceptions import EnvironmentNotFoundError
from .holder import CLIENT_HOLDER

_TRUE = ("true", "t", "on", "yes")
_FALSE = ("false", "f", "off", "no")


def resolve(name: str) -> Any:
    """An object by its dotted name; names of metlog-py are those of :mod:`metlog.compat`."""
    path = name.replace(":", ".")
    if path.startswith("metlog.") and not path.startswith("metlog.compat."):
        path = "metlog.compat." + path[7:]
    module, _, attribute = path.rpartition(".")
    while module:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, more = module.rpartition(".")
            attribute = f"{more}.{attribute}"
    else:
        raise ImportError(f"there is no `{name}`")
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def convert(text: str) -> Any:
    """A value of an INI file: numbers, truth values, ``${VARIABLE}`` and lists of lines are told by their form."""

    def variable(match: "re.Match[str]") -> str:
        value = os.environ.get(match.group(1))
        if value is None:
            raise EnvironmentNotFoundError(f"the variable {match.group(1)} is not set")
        return value

    text = re.sub(r"\$\{([^}]*)\}", variable, text.strip())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return lines
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else text


def dict_from_stream_config(stream: TextIO, section: str) -> Dict[str, Any]:
    """The mapping that :func:`client_from_dict_config` takes.

    Raises:
        ValueError: if the section, or its ``sender_class``, is not there.
    """
    # Configurations are often indented texts in a program.
    text = "\n".join(_dedented(stream.read().splitlines()))
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    if not parser.has_section(section):
        raise ValueError(f"there is no section [{section}]")
    given = {key: convert(value) for key, value in parser.items(section)}
    config: Dict[str, Any] = {"filters": [], "plugins": {}, "sender": {}, "global": {}}
    for key, value in given.items():
        if key.startswith("sender_"):
            config["sender"][key[7:]] = value
        elif key.startswith("global_"):
            config["global"][key[7:]] = value
        else:
            config[key] = value
    if "class" not in config["sender"]:
        raise ValueError(f"[{section}] has no `sender_class`")
    for name in parser.sections():
        more = {key: convert(value) for key, value in parser.items(name)}
        if name.startswith(section + "_filter_"):
            config["filters"].append((more.pop("provider"), more))
        elif name.startswith(section + "_plugin_"):
            config["plugins"][name[len(section) + 8 :]] = (more.pop("provider"), more)
    return config


def _dedented(lines: Iterable[str]) -> Iterable[str]:
    """Lines of sections begin at the margin; what is deeper than the first of them goes on with the one before."""
    margin: Optional[int] = None
    for line in lines:
        if line.strip():
            depth = len(line) - len(line.lstrip())
            margin = depth if margin is None else min(margin, depth)
            yield line[margin:]


def client_from_text_config(
    text: str, section: str, client: Optional[MetlogClient] = None, clear_global: bool = False
) -> MetlogClient:
    """A client from text in INI form."""
    import io

    return client_from_stream_config(io.StringIO(text), section, client, clear_global)


def client_from_stream_config(
    stream: TextIO, section: str, client: Optional[MetlogClient] = None, clear_global: bool = False
) -> MetlogClient:
    """A client from an open file in INI form."""
    return client_from_dict_config(dict_from_stream_config(stream, section), client, clear_global)


def client_from_dict_config(
    config: Dict[str, Any], client: Optional[MetlogClient] = None, clear_global: bool = False
) -> MetlogClient:
    """A client from a mapping; one that is given is set up anew."""
    whole = json.dumps(config, default=str)
    config = dict(config)
    sender = dict(config.get("sender") or {})
    if "sender_class" in config:
        sender["class"] = config["sender_class"]
    made = resolve(sender.pop("class"))(*sender.pop("args", ()), **sender) if sender else None
    filters = [_provided(one) for one in config.get("filters") or ()]
    arguments = (made, config.get("logger", ""), config.get("severity", 6), config.get("disabled_timers"), filters)
    if client is None:
        client = MetlogClient(*arguments)
    else:
        client.setup(*arguments)
    if clear_global:
        CLIENT_HOLDER.global_config.clear()
    CLIENT_HOLDER.global_config.update(config.get("global") or {})
    for provider, given in (config.get("plugins") or {}).values():
        given = dict(given)
        override = given.pop("override", False)
        client.add_method(resolve(provider)(given), override)
    client._config = whole
    return client


def _provided(one: "Tuple[Any, Dict[str, Any]]") -> Any:
    provider, given = one
    return (resolve(provider) if isinstance(provider, str) else provider)(**given)
