"""Configuration of a client: what was given as keywords, a mapping, a file or the environment, checked as a whole.

The keys and the variables are those of every metlog client: see ``schemas/clients.md`` of the repository.
"""

from __future__ import annotations

import importlib
import os
import re
import socket
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple, Union

from . import _wire
from ._outlet import Captured, Destination

#: Messages, and as many statsd values, that wait for the sending thread, unless configured otherwise.
QUEUE_MESSAGES_DEFAULT = 10_000
PORT_METLOG = 5565
PORT_STATSD = 8125
#: Bytes of a datagram that header and signature must leave for messages.
_BODY_BYTES_MIN = 128


class ConfigError(ValueError):
    """A configuration that cannot be; the message names the key."""


class Filters(NamedTuple):
    """Which messages are sent. A message must pass all rules that are set; statsd values are not filtered."""

    severity_max: Optional[int] = None
    type_blacklist: FrozenSet[str] = frozenset()
    type_whitelist: FrozenSet[str] = frozenset()
    type_severity_max: Mapping[str, int] = {}

    def passes(self, type_name: str, severity: int) -> bool:
        """True if a message of this type and severity is sent."""
        if self.severity_max is not None and severity > self.severity_max:
            return False
        if type_name in self.type_blacklist or (self.type_whitelist and type_name not in self.type_whitelist):
            return False
        most = self.type_severity_max.get(type_name)
        return most is None or severity <= most


class Settings(NamedTuple):
    """What is true: complete and parsed."""

    destinations: List[Destination]
    #: ``None``: statsd is off.
    statsd_destination: Optional[Destination]
    #: Empty, or ends in a dot.
    statsd_prefix: str
    statsd_datagram_bytes: int
    logger: str
    severity: int
    type: str
    hostname: str
    datagram_bytes: int
    queue_messages: int
    key: Optional[_wire.Key]
    disabled_timers: FrozenSet[str]
    filters: Filters
    #: The share of the traces that begin here which are kept, or the address of a server that says it.
    sampling: Union[float, str]
    #: "native" or "none".
    thread: str


_FILTERS = ("severity_max", "type_blacklist", "type_whitelist", "type_severity_max")
_KEYS = frozenset(
    (
        "destinations", "statsd", "statsd_destination", "statsd_prefix", "statsd_datagram_bytes", "logger", "severity",
        "type", "hostname", "datagram_bytes", "queue_messages", "queue_bytes", "key_id", "key", "disabled_timers",
        "filters", "thread", "sampling",
    )
)  # fmt: skip


def settings(given: Mapping[str, Any]) -> Settings:
    """Checks a configuration.

    Raises:
        ConfigError: with the first key whose value cannot be.
    """
    unknown = sorted(set(given) - _KEYS)
    if unknown:
        raise ConfigError(f"`{unknown[0]}` is not a key of metlog; the keys are {', '.join(sorted(_KEYS))}")
    get = given.get
    statsd_on = _truth("statsd", get("statsd", True))
    result = Settings(
        destinations=_destinations(get("destinations", [f"127.0.0.1:{PORT_METLOG}"])),
        statsd_destination=(
            _destination("statsd_destination", get("statsd_destination", f"127.0.0.1:{PORT_STATSD}"))
            if statsd_on
            else None
        ),
        statsd_prefix=_prefix(get("statsd_prefix", "")),
        statsd_datagram_bytes=_datagram("statsd_datagram_bytes", get("statsd_datagram_bytes")),
        logger=_name("logger", get("logger", "")),
        severity=_severity("severity", get("severity", 6)),
        type=_name("type", get("type", "metlog")),
        hostname=_name("hostname", get("hostname") or _hostname()),
        datagram_bytes=_datagram("datagram_bytes", get("datagram_bytes")),
        queue_messages=_queue(given),
        key=_key(get("key_id"), get("key")),
        disabled_timers=frozenset(_texts("disabled_timers", get("disabled_timers", ()))),
        filters=_filters(get("filters") or {}),
        sampling=_share("sampling", get("sampling", 1.0)),
        thread=_choice("thread", get("thread", "native"), ("native", "none")),
    )
    room = _wire.Datagrams(result.datagram_bytes, 0, 0, result.hostname, result.logger, result.key).body_bytes_max
    if room < _BODY_BYTES_MIN:
        least = result.datagram_bytes - room + _BODY_BYTES_MIN
        raise ConfigError(f"`datagram_bytes` must be at least {least} with this hostname, logger and key_id")
    return result


def from_toml(path: "str | os.PathLike[str]", section: str = "metlog") -> Dict[str, Any]:
    """The table ``[metlog]`` of a TOML file. Needs Python 3.11, or the package ``tomli``.

    Raises:
        ConfigError: if the file is not TOML, or has no such table.
        OSError: if it cannot be read.
    """
    toml = _toml()
    with open(path, "rb") as file:
        try:
            document = toml.load(file)
        except toml.TOMLDecodeError as error:
            raise ConfigError(f"{os.fspath(path)}: {error}") from error
    table = document.get(section)
    if not isinstance(table, dict):
        raise ConfigError(f"{os.fspath(path)}: there is no table [{section}]")
    return table


def _toml() -> Any:
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ConfigError("reading TOML needs Python 3.11, or `pip install tomli`")


def from_ini(path: "str | os.PathLike[str]", section: str = "metlog") -> Dict[str, Any]:
    """The section ``[metlog]`` of an INI file, and ``[metlog:filters]``. Lists are one item a line, or have commas;
    ``${NAME}`` is taken from the environment.

    Raises:
        ConfigError: if there is no such section, or a variable is not set.
        OSError: if it cannot be read.
    """
    import configparser

    parser = configparser.RawConfigParser()
    with open(path, encoding="utf-8") as file:
        try:
            parser.read_file(file)
        except configparser.Error as error:
            raise ConfigError(f"{os.fspath(path)}: {error}") from error
    if not parser.has_section(section):
        raise ConfigError(f"{os.fspath(path)}: there is no section [{section}]")
    found = {key: _expand(value) for key, value in parser.items(section)}
    given = _from_texts(found)
    if parser.has_section(section + ":filters"):
        given["filters"] = {key: _expand(value) for key, value in parser.items(section + ":filters")}
    return given


def from_environment(environment: Optional[Mapping[str, str]] = None) -> Dict[str, Any]:
    """What the variables ``METLOG_…`` say: the key's name in capitals; ``METLOG_DESTINATION`` for the destinations."""
    environment = os.environ if environment is None else environment
    found = {}
    for key in _KEYS - {"destinations", "filters"}:
        value = environment.get("METLOG_" + key.upper())
        if value is not None:
            found[key] = value
    destinations = environment.get("METLOG_DESTINATION")
    if destinations is not None:
        found["destinations"] = destinations
    given = _from_texts(found)
    filters = {key: environment["METLOG_" + key.upper()] for key in _FILTERS if "METLOG_" + key.upper() in environment}
    if filters:
        given["filters"] = filters
    return given


def _from_texts(found: Mapping[str, str]) -> Dict[str, Any]:
    """Lists are taken apart; everything else is checked as text later."""
    lists = ("destinations", "disabled_timers")
    return {key: _split(value) if key in lists else value for key, value in found.items()}


def _split(text: str) -> List[str]:
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def _expand(text: str) -> str:
    def variable(match: "re.Match[str]") -> str:
        value = os.environ.get(match.group(1))
        if value is None:
            raise ConfigError(f"the variable {match.group(1)} is not set")
        return value

    return re.sub(r"\$\{([^}]+)\}", variable, text)


def _hostname() -> str:
    try:
        return socket.gethostname() or "localhost"
    except OSError:
        return "localhost"


def _wrong(key: str, value: Any, expected: str) -> ConfigError:
    return ConfigError(f"`{key}` is {value!r}; expected {expected}")


def _truth(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "t", "on", "yes", "1"):
        return True
    if word in ("false", "f", "off", "no", "0"):
        return False
    raise _wrong(key, value, "true or false")


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\s*[0-9]+\s*", str(value)):
        raise _wrong(key, value, "a whole number")
    return int(value)


def _severity(key: str, value: Any) -> int:
    number = _whole(key, value)
    if number > 7:
        raise _wrong(key, value, "0 to 7")
    return number


def _datagram(key: str, value: Any) -> int:
    number = _wire.DATAGRAM_BYTES_DEFAULT if value is None else _whole(key, value)
    if not _wire.DATAGRAM_BYTES_MIN <= number <= _wire.DATAGRAM_BYTES_MAX:
        raise _wrong(key, value, f"{_wire.DATAGRAM_BYTES_MIN} to {_wire.DATAGRAM_BYTES_MAX}")
    return number


def _queue(given: Mapping[str, Any]) -> int:
    """``queue_bytes`` is what the other clients have: here a message counts for a hundred bytes of it."""
    if "queue_messages" in given:
        number = _whole("queue_messages", given["queue_messages"])
    elif "queue_bytes" in given:
        number = _whole("queue_bytes", given["queue_bytes"]) // 100
    else:
        number = QUEUE_MESSAGES_DEFAULT
    if number < 4:
        raise ConfigError("`queue_messages` must be at least 4")
    return number


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    if len(_wire.utf8(value)) > _wire.NAME_BYTES_MAX:
        raise ConfigError(f"`{key}` is longer than {_wire.NAME_BYTES_MAX} bytes")
    return value


def _prefix(value: Any) -> str:
    prefix = _name("statsd_prefix", value).rstrip(".")
    if re.search(r"[:|@#\s\x00-\x1f\x7f]", prefix):
        raise ConfigError("`statsd_prefix` must not contain `:`, `|`, `@`, `#`, whitespace or control characters")
    return prefix + "." if prefix else ""


def _texts(key: str, value: Any) -> List[str]:
    if isinstance(value, str):
        return _split(value)
    try:
        items = list(value)
    except TypeError:
        raise _wrong(key, value, "a list of texts") from None
    if not all(isinstance(item, str) for item in items):
        raise _wrong(key, value, "a list of texts")
    return items


def _destination(key: str, value: Any) -> Destination:
    try:
        return value if isinstance(value, Destination) else Destination(value)
    except ValueError as error:
        raise ConfigError(f"`{key}`: {error}") from None


def _destinations(value: Any) -> List[Destination]:
    if isinstance(value, str):
        value = _split(value)
    elif isinstance(value, (Captured, Destination)) or (isinstance(value, tuple) and _is_address(value)):
        value = [value]
    return [_destination("destinations", item) for item in value]


def _is_address(value: Tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _key(key_id: Any, secret: Any) -> Optional[_wire.Key]:
    if key_id is None and secret is None:
        return None
    if secret is None:
        raise ConfigError("`key_id` requires `key`")
    if key_id is None:
        raise ConfigError("`key` requires `key_id`")
    if isinstance(secret, str) and secret.startswith("hex:"):
        try:
            secret = bytes.fromhex(secret[4:])
        except ValueError:
            raise ConfigError("`key` is not hexadecimal after `hex:`") from None
    secret = _wire.utf8(secret) if isinstance(secret, str) else bytes(secret)
    if not secret:
        raise ConfigError("`key` must not be empty")
    return _wire.Key(_name("key_id", key_id), secret)


def _filters(given: Mapping[str, Any]) -> Filters:
    unknown = sorted(set(given) - set(_FILTERS))
    if unknown:
        raise ConfigError(f"`filters.{unknown[0]}` is not a filter; the filters are {', '.join(_FILTERS)}")
    by_type = given.get("type_severity_max") or {}
    if isinstance(by_type, str):
        rules = (rule.partition("=") for rule in _split(by_type))
        by_type = {type_name.strip(): severity for type_name, _, severity in rules}
    severity_max = given.get("severity_max")
    return Filters(
        severity_max=None if severity_max is None else _severity("filters.severity_max", severity_max),
        type_blacklist=frozenset(_texts("filters.type_blacklist", given.get("type_blacklist") or ())),
        type_whitelist=frozenset(_texts("filters.type_whitelist", given.get("type_whitelist") or ())),
        type_severity_max={key: _severity("filters.type_severity_max", value) for key, value in by_type.items()},
    )


def _share(key: str, value: Any) -> Union[float, str]:
    if isinstance(value, str) and re.fullmatch(r"http://[^/:]+:[0-9]{1,5}(/.*)?", value):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise _wrong(key, value, "a number from 0 to 1, or http://host:port/sampling")
    return number


def _choice(key: str, value: Any, choices: Tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(key, value, " or ".join(choices))
    return str(value)
